"""The simulator as the cluster gets it."""

from pathlib import Path
from typing import Any

import pytest
from local_cluster import broker_sim
from local_cluster.broker_sim import PORTS, BrokerSim


@pytest.mark.parametrize("broker", ["zerodha", "dhan"])
def test_network_policy__any_simulator__lets_others_to_the_brokers_port_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broker: str
) -> None:
    applied: list[dict[str, Any]] = []

    def apply(*objects: dict[str, Any]) -> None:
        applied.extend(objects)

    def said(*words: str) -> str:
        return " ".join(words)

    monkeypatch.setattr(broker_sim, "kubectl", said)
    monkeypatch.setattr(broker_sim, "image_of", str)
    monkeypatch.setattr(broker_sim, "apply", apply)
    ticks = tmp_path / "ticks.csv"
    ticks.write_text("")

    BrokerSim(name="sim", broker=broker, ticks=ticks, speed="max").start()

    (policy,) = [each["spec"] for each in applied if each["kind"] == "NetworkPolicy"]
    (ingress,) = policy["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": PORTS[broker]}]
    assert "Ingress" in policy["policyTypes"]
