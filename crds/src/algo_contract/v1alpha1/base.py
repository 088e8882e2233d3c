"""What both resources' models share: strict fields, and rules held once for CEL and Python.

The models take what the API server takes, no more: a number is no text and no truth value, and an
empty field (null) is an absent one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _number(value: object) -> object:
    if isinstance(value, bool | str):
        raise ValueError("must be a number, written without quotes")  # noqa: TRY004 - pydantic's
    return value


Whole = Annotated[int, BeforeValidator(_number)]
"""10.0 is one, as it is to the API server; strict would refuse it."""

Number = Annotated[float, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a spec: CEL for the API server, and the same in Python for every other door.

    `check` is None for rules about a change (`oldSelf`), which only the API server can judge.
    """

    cel: str
    message: str
    field: str | None = None
    check: Callable[[Any], bool] | None = None


class Fields(BaseModel):
    """A group of fields; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        fields = cast("dict[str, object]", given)
        return {name: value for name, value in fields.items() if value is not None}


class Spec(Fields):
    """A resource's spec: its rules are checked when it is made."""

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        broken = [r.message for r in self.rules if r.check is not None and not r.check(self)]
        if broken:
            raise ValueError("; ".join(broken))
        return self


class ObjectMeta(BaseModel):
    """The metadata a reader of resource files needs; everything else passes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str = Field(min_length=1, max_length=253)
    namespace: str = "default"
    uid: str = ""
