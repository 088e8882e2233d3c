"""Which hosts an account may name: the platform's allow-list, and what a proxy may be. Pure.

The operator and the log-in worker both ask here, so one address means the same to both. Nothing is
resolved: what a name stands for is for the network policies to bound.
"""

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import SplitResult, urlsplit

PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
"""The port of a URL that names none, by its scheme."""

_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_LAST_LABEL: Final = re.compile(r"[a-z]{2,63}|xn--[a-z0-9-]{1,59}")
"""The end of a name of the world outside (RFC 3696): a namespace may hold a digit or a hyphen."""
_INSIDE_LABELS: Final = frozenset({"svc", "pod"})
_INSIDE_ENDS: Final = frozenset({"internal", "local", "localdomain", "localhost"})

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def host_of(url: str) -> str:
    """The host in a URL as it is compared: lower case, no dot at the end, an address in its one
    spelling. Nothing where the URL names no host plainly, holds a user, or has a port that cannot
    be.
    """
    parts = _split(url)
    return "" if parts is None else plain_host(parts.hostname or "")


def port_of(url: str) -> int:
    """The port that a URL means, by its scheme where it names none; 0 where there is none."""
    parts = _split(url)
    return 0 if parts is None else parts.port or PORTS.get(parts.scheme, 0)


def is_listed(url: str, allowed: frozenset[str]) -> bool:
    """Whether a URL's host is on the allow-list, by itself or with the port that the URL means."""
    host, port = host_of(url), port_of(url)
    return bool(host) and bool(port) and any(_matches(entry, host, port) for entry in allowed)


def proxy_problem(url: str, allowed: frozenset[str]) -> str:
    """Why an account may not send its orders through this proxy, as the end of a sentence that
    begins with the field's name; nothing where it may. The words hold no part of a password.

    A proxy is the account's own, anywhere outside: what is inside the cluster, or on a private
    network, is the platform's to allow.
    """
    parts = _split(url)
    if parts is None or parts.scheme != "http":
        return "is no http://HOST:PORT address, or holds a user or a password"
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        return "holds a path, a query or a fragment: it is http://HOST:PORT alone"
    host = host_of(url)
    if not host:
        return "names no host in a plain spelling"
    if is_listed(url, allowed) or is_outside(host):
        return ""
    return (
        f"names the host {host}, which is inside the cluster, on a private network or no address "
        "at all"
    )


def is_outside(host: str) -> bool:
    """Whether a host, as `host_of` gives it, can only be one of the world outside."""
    address = _address(host)
    if address is not None:
        return _is_public(address)
    labels = host.split(".")
    return (
        len(labels) > 1
        and _LAST_LABEL.fullmatch(labels[-1]) is not None
        and labels[-1] not in _INSIDE_LABELS | _INSIDE_ENDS
        and not _INSIDE_LABELS & set(labels[1:])
    )


def plain_host(text: str) -> str:
    """A host in the one spelling that is compared, or nothing for one that has none.

    Numbers that only some programs read as an address (127.1, 0x7f.1, 2130706433) have none.
    """
    host = text.lower().rstrip(".")
    address = _address(host)
    if address is not None:
        return str(address)
    return host if _NAME.fullmatch(host) is not None and not _is_number(host) else ""


def _split(url: str) -> SplitResult | None:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        parts = urlsplit(url)
        is_odd = "@" in parts.netloc or parts.port == 0
    except ValueError:
        return None
    return None if is_odd else parts


def _matches(entry: str, host: str, port: int) -> bool:
    """An entry is a host, or a host with a port: [2001:db8::1]:443 for an address of IPv6."""
    whole = plain_host(entry)
    if whole:
        return whole == host
    url = f"//{entry}"
    return host_of(url) == host and port_of(url) in {0, port}


def _address(host: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return None if address.scope_id else address.ipv4_mapped or address
    return address


def _is_public(address: _Address) -> bool:
    """Addresses that carry another one (6to4, Teredo; NAT64 is reserved) may stand for any."""
    if isinstance(address, ipaddress.IPv6Address) and (address.sixtofour or address.teredo):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_private
    )


def _is_number(host: str) -> bool:
    try:
        socket.inet_aton(host)
    except OSError:
        return False
    return True
