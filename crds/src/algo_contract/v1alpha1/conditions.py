"""Status conditions, as Kubernetes' API conventions have them."""

from typing import Literal

from pydantic import Field

from algo_contract.v1alpha1.base import Fields


class Condition(Fields):
    """One aspect of a resource's state."""

    type: str = Field(
        pattern=r"^[A-Z][A-Za-z]*$", max_length=64, description="What the condition tells of."
    )
    status: Literal["True", "False", "Unknown"]
    reason: str = Field(
        pattern=r"^[A-Z][A-Za-z]*$", max_length=64, description="Why, in one CamelCase word."
    )
    message: str = Field(max_length=1024, description="Why, in a sentence for people.")
    lastTransitionTime: str = Field(
        json_schema_extra={"format": "date-time"}, description="When the status last changed."
    )
    observedGeneration: int = Field(ge=0, description="The generation of the spec that was judged.")
