"""A strategy's day as the operator's tests tell it; `world` is their fixture of that name."""

from typing import Any

from algo_kube.resources import STRATEGIES

DAY = "2026-07-10"


def condition(body: dict[str, Any], kind: str = "Ready") -> dict[str, Any]:
    """One condition of a resource."""
    return next(row for row in body["status"]["conditions"] if row["type"] == kind)


def reason(body: dict[str, Any], kind: str = "Ready") -> str:
    """Why a condition is what it is."""
    return condition(body, kind)["reason"]


async def running(world: Any, namespace: str, name: str = "m1", **spec: Any) -> dict[str, Any]:
    """A strategy whose runner is at work."""
    await world.strategy(namespace, name, **spec)
    return await world.until(STRATEGIES, namespace, name, lambda b: reason(b) == "Running")


async def holding(world: Any, namespace: str, name: str = "m1", **spec: Any) -> dict[str, Any]:
    """A strategy whose runner says that it has bought."""
    body = await running(world, namespace, name, **spec)
    await world.says(
        body["metadata"]["uid"],
        execution="BOUGHT",
        position=10,
        average_price=295050,
        stop=289050,
        protection="runner",
    )
    return await world.until(
        STRATEGIES, namespace, name, lambda b: b["status"]["execution"] == "BOUGHT"
    )
