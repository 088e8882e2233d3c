"""What a pass knows of an account beside its JSON: its opened secrets, the key to seal to, and the
address that its broker sees.
"""

from dataclasses import dataclass, field, replace

from algo_brokers.adapters import adapter
from algo_contract.envelope.keys import SESSION_PUBLIC, PublicKey, UnusableKey, read_public
from algo_kube.errors import Misconfigured

from algo_login import cluster
from algo_login.account import Account
from algo_login.broker_login import BrokerLogin
from algo_login.context import Context
from algo_login.reconcile.apply import rewrapped, write_record


@dataclass(frozen=True, slots=True)
class UnsealedAccount:
    """An account whose secrets are open; forgotten when the pass ends."""

    account: Account
    namespace_uid: str
    secrets: dict[str, str] = field(repr=False)
    needs_browser: bool


async def unsealed(context: Context, account: Account) -> UnsealedAccount:
    """The account with its log-in opened, under the current key from now on.

    Raises:
        EnvelopeUnreadable: it was sealed for another account or with another key, or changed.
    """
    namespace_uid = await cluster.namespace_uid(context.kube, account.namespace)
    secrets = context.credentials.login(account, namespace_uid)
    account = await rewrapped(context, account, namespace_uid)
    needs_browser = adapter(account.broker).capabilities.requires_browser
    return UnsealedAccount(account, namespace_uid, secrets, needs_browser)


async def operator_key(context: Context) -> PublicKey:
    """What sessions are sealed to.

    Raises:
        Misconfigured: the operator has not published it yet.
    """
    keys = await cluster.public_keys(context.kube, context.settings.namespace)
    try:
        return read_public(keys.get(SESSION_PUBLIC, ""))
    except UnusableKey:
        raise Misconfigured(
            f"the operator has not published its {SESSION_PUBLIC} yet: no session can be sealed"
        ) from None


async def observed_address(context: Context, account: Account, login: BrokerLogin) -> Account:
    """Learns the address that orders will come from, now and then. Without an egress proxy that is
    not the address of this process, and nobody can tell it from here.
    """
    echo_url, held = context.settings.ip_echo_url, context.retries.session(account)
    if not account.egress_proxy or (held is None and not echo_url):
        return account
    if not context.retries.wants_look(account):
        return account
    seen = await login.observed_address(held, echo_url=echo_url)
    context.retries.looked(account, is_known=seen is not None)
    if seen is None or seen == account.record.observed_ip:
        return account
    return await write_record(context, account, replace(account.record, observed_ip=seen))
