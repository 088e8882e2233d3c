"""Make an object as it should be, and write only where it is not."""

from algo_kube.resources import Json, Resource

from algo_operator.context import Context
from algo_operator.specs.tenant import contains


async def ensure(context: Context, resource: Resource, desired: Json) -> Json:
    """The object as it is afterwards; what others have added to it stays."""
    meta = desired["metadata"]
    actual = await context.kube.find(resource, meta["namespace"], meta["name"])
    if actual is not None and contains(actual, desired | {"apiVersion": resource.api_version}):
        return actual
    if actual is None:
        return await context.kube.create(resource, meta["namespace"], desired)
    return await context.kube.apply(resource, meta["namespace"], desired)
