"""One table of specs, two doors: the API server with our CRD, and the models. They must agree."""

import json
import random
import subprocess
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import yaml
from algo_contract.v1alpha1 import BrokerAccountSpec, TradingStrategy, TradingStrategySpec
from pydantic import BaseModel, ValidationError


from support.factories.spec_cases import ACCOUNTS, STRATEGIES
from support.servers.kube_api import KUBECTL, ROOT
from support.factories.spec_cases import GOOD, MALFORMED, PERCENT, RULED, TAKEN, Spec, spec
from support.servers.kube_api import KubeApi

pytestmark = pytest.mark.api_server


def resource(fields: Spec, *, name: str = "x", kind: str = "TradingStrategy") -> dict[str, Any]:
    return {
        "apiVersion": "algotrading.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": fields,
    }


def server_refusal(
    api: KubeApi, fields: Spec, *, path: str = STRATEGIES, kind: str = "TradingStrategy"
) -> str:
    """The API server's words; empty where it takes the spec."""
    try:
        api.request(
            "POST", f"{path}?fieldValidation=Strict&dryRun=All", resource(fields, kind=kind)
        )
    except urllib.error.HTTPError as refusal:
        with refusal:
            return str(json.loads(refusal.read())["message"])
    return ""


def model_refusal(fields: Spec, model: type[BaseModel] = TradingStrategySpec) -> str:
    """The model's words; empty where it takes the spec."""
    try:
        model.model_validate(fields)
    except ValidationError as refusal:
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in refusal.errors())
    return ""


@pytest.mark.parametrize("name", TAKEN)
def test_a_good_spec__is_taken_at_both_doors(name: str, api: KubeApi) -> None:
    fields = spec(TAKEN[name])

    assert server_refusal(api, fields) == ""
    assert model_refusal(fields) == ""


@pytest.mark.parametrize("name", RULED)
def test_a_broken_rule__is_told_in_the_same_words_at_both_doors(name: str, api: KubeApi) -> None:
    changes, words = RULED[name]

    assert words in server_refusal(api, spec(changes))
    assert words in model_refusal(spec(changes))


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_field__is_named_at_both_doors(name: str, api: KubeApi) -> None:
    changes, field = MALFORMED[name]

    assert field in server_refusal(api, spec(changes))
    assert field in model_refusal(spec(changes))


def test_every_rule_of_the_model_is_in_the_table() -> None:
    words = {words for _, words in RULED.values()}

    assert {r.message for r in TradingStrategySpec.rules if r.check is not None} == words


def test_an_empty_field__is_an_absent_one_at_both_doors(api: KubeApi) -> None:
    fields = GOOD | {"exchange": None, "target": None, "tradingDays": None}

    assert server_refusal(api, fields) == ""
    assert TradingStrategySpec.model_validate(fields).exchange == "NSE"
    assert model_refusal(GOOD | {"quantity": None}) == "quantity: Field required"


def test_random_prices__two_decimals_pass_and_three_do_not_at_both_doors(api: KubeApi) -> None:
    dice = random.Random(7)
    for _ in range(40):
        paise = int(10 ** dice.uniform(0, 8)) or 1
        good, bad = paise / 100, float(f"{paise / 100:.2f}{dice.randint(1, 9)}")
        for amount, is_good in ((good, True), (bad, bad >= 1_000_000)):
            fields = spec({"stopLoss": amount})
            assert (server_refusal(api, fields) == "") is is_good, amount
            assert (model_refusal(fields) == "") is is_good, amount


def test_the_defaults__are_the_same_at_both_doors(api: KubeApi) -> None:
    made = api.request("POST", f"{STRATEGIES}?dryRun=All", resource(GOOD))["spec"]

    assert made == TradingStrategySpec.model_validate(GOOD).model_dump(exclude_none=True)


class TestChanges:
    """What may be changed on a strategy that exists."""

    @pytest.fixture
    def existing(self, api: KubeApi) -> Any:
        made = api.request(
            "POST", STRATEGIES, resource(GOOD | {"brokerAccount": "a"}, name="existing")
        )
        yield made
        api.request("DELETE", f"{STRATEGIES}/existing")

    def refusal(self, api: KubeApi, existing: Any, changes: Spec) -> str:
        fields = {k: v for k, v in (existing["spec"] | changes).items() if v is not None}
        body = existing | {"spec": fields}
        try:
            api.request("PUT", f"{STRATEGIES}/existing?fieldValidation=Strict&dryRun=All", body)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return str(json.loads(refusal.read())["message"])
        return ""

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"symbol": "TCS"}, "symbol"),
            ({"exchange": "BSE"}, "exchange"),
            ({"mode": "Live"}, "mode"),
            ({"brokerAccount": "b"}, "brokerAccount"),
            ({"brokerAccount": None}, "brokerAccount"),
        ],
    )
    def test_what_a_strategy_is__cannot_change(
        self, api: KubeApi, existing: Any, changes: Spec, field: str
    ) -> None:
        words = f"{field} cannot be changed: make a new strategy instead"
        assert words in self.refusal(api, existing, changes)

    @pytest.mark.parametrize(
        "changes",
        [
            {"stopLoss": 2800},
            PERCENT,
            {"target": 3000.0},
            {"quantity": 20},
            {"sellTime": "14:00:00"},
            {"desiredState": "Stopped"},
            {"trailingStopPercent": 1},
        ],
    )
    def test_what_it_does__can(self, api: KubeApi, existing: Any, changes: Spec) -> None:
        assert self.refusal(api, existing, changes) == ""

    def test_the_stop_loss_cannot_be_taken_away(self, api: KubeApi, existing: Any) -> None:
        assert "Stop-loss is mandatory" in self.refusal(api, existing, {"stopLoss": None})

    def test_an_account_cannot_be_added_later(self, api: KubeApi) -> None:
        made = api.request("POST", STRATEGIES, resource(GOOD, name="existing"))
        try:
            assert "brokerAccount cannot" in self.refusal(api, made, {"brokerAccount": "a"})
        finally:
            api.request("DELETE", f"{STRATEGIES}/existing")

    def test_a_status_write__changes_no_spec(self, api: KubeApi, existing: Any) -> None:
        body = existing | {
            "spec": existing["spec"] | {"stopLoss": 1.0},
            "status": {"execution": "BOUGHT", "averagePrice": 95, "position": 10},
        }

        written = api.request("PUT", f"{STRATEGIES}/existing/status", body)

        assert written["spec"] == existing["spec"]
        assert written["status"]["averagePrice"] == 95  # type: ignore[index]
        TradingStrategy.model_validate(written)


ACCOUNT_SPECS: list[tuple[Spec, str]] = [
    ({"broker": "paper"}, ""),
    ({"broker": "paper", "clock": "Feed", "feed": {"shared": True}}, ""),
    ({"broker": "dhan", "clock": "Feed", "baseUrl": "http://sim:8000"}, ""),
    ({"broker": "dhan", "egressProxy": "http://proxy.example:3128"}, ""),
    ({"broker": "dhan", "egressProxy": "http://[2606:4700::1111]:3128/"}, ""),
    ({"broker": "dhan", "egressProxy": "https://proxy.example:3128"}, "egressProxy"),
    ({"broker": "dhan", "egressProxy": "http://me:w0rd@proxy.example:3128"}, "egressProxy"),
    ({"broker": "dhan", "egressProxy": "http://proxy.example:3128?x"}, "egressProxy"),
    ({"broker": "dhan", "limits": {"maxDailyLoss": 5000}}, ""),
    ({"broker": "dhan", "clock": "Feed"}, "clock Feed is only for broker paper or a simulator"),
    ({"broker": "upstox"}, "broker"),
    ({}, "broker"),
    ({"broker": "paper", "limits": {"ordersPerSecond": 9}}, "ordersPerSecond"),
    ({"broker": "paper", "limits": {"ordersPerSecond": "8"}}, "ordersPerSecond"),
    ({"broker": "paper", "limits": {"maxDailyLoss": 0}}, "maxDailyLoss"),
    ({"broker": "paper", "feed": {"shared": "yes"}}, "shared"),
    ({"broker": "paper", "feed": {"enabled": 1}}, "enabled"),
    ({"broker": "paper", "baseUrl": "ftp://sim"}, "baseUrl"),
    ({"broker": "paper", "sealedLogin": "not base64!"}, "sealedLogin"),
    ({"broker": "paper", "password": "x"}, "password"),
]


@pytest.mark.parametrize(("fields", "words"), ACCOUNT_SPECS)
def test_an_account__both_doors_agree(fields: Spec, words: str, api: KubeApi) -> None:
    refusals = (
        server_refusal(api, fields, path=ACCOUNTS, kind="BrokerAccount"),
        model_refusal(fields, BrokerAccountSpec),
    )

    for refusal in refusals:
        assert (words in refusal) if words else refusal == ""


def kubectl(api: KubeApi, *words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [KUBECTL, "--kubeconfig", api.kubeconfig, *words],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_kubectl_shows_the_columns_under_the_short_name(api: KubeApi) -> None:
    api.request("POST", STRATEGIES, resource(GOOD, name="shown"))
    status = {"phase": "RUNNING", "execution": "BOUGHT", "stopPrice": 2890.5, "podName": "p-1"}
    shown = api.request("GET", f"{STRATEGIES}/shown")
    api.request("PUT", f"{STRATEGIES}/shown/status", shown | {"status": status})

    narrow = kubectl(api, "get", "ts", "shown").stdout.split()
    wide = kubectl(api, "get", "ts", "shown", "-o", "wide").stdout.split()
    accounts = kubectl(api, "get", "ba", "-o", "name")

    head = ["NAME", "SYMBOL", "QTY", "STOP", "STATUS", "EXECUTION", "REASON", "PNL", "AGE"]
    assert narrow[:9] == head
    assert narrow[9:15] == ["shown", "RELIANCE", "10", "2890.5", "RUNNING", "BOUGHT"]
    assert {"ACCOUNT", "MODE", "POD", "Paper", "p-1"} <= set(wide)
    assert accounts.returncode == 0
    api.request("DELETE", f"{STRATEGIES}/shown")


def test_kubectl_explains_every_field(api: KubeApi) -> None:
    told = kubectl(api, "explain", "ts.spec.stopLoss").stdout

    assert "at or under this price" in told


@pytest.mark.parametrize("sample", sorted((ROOT / "crds/samples").glob("*.yaml")), ids=str)
def test_a_sample__is_taken_at_both_doors(sample: Path, api: KubeApi) -> None:
    created = kubectl(api, "create", "--validate=strict", "--dry-run=server", "-f", str(sample))

    assert created.returncode == 0, created.stderr
    TradingStrategy.model_validate(yaml.safe_load(sample.read_text(encoding="utf-8")))


def test_times_and_dates_without_quotes__are_text_to_kubectl(api: KubeApi) -> None:
    text = yaml.safe_dump(resource(GOOD)).replace("'09:20:00'", "09:20:00")
    text = text.replace("'15:05:00'", "15:05:00") + "  startDate: 2026-11-23\n"

    created = kubectl(api, "create", "--dry-run=server", "-o", "yaml", "-f", "-", text=text)

    assert created.returncode == 0, created.stderr
