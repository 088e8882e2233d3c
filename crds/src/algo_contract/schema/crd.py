"""Makes CustomResourceDefinitions from the Pydantic models: schema, CEL rules, printer columns."""

import json
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from algo_contract import names
from algo_contract.v1alpha1 import (
    BrokerAccountSpec,
    BrokerAccountStatus,
    TradingStrategySpec,
    TradingStrategyStatus,
)
from algo_contract.v1alpha1.base import Spec

Schema = dict[str, Any]

_KEPT = (
    "type", "description", "default", "enum", "pattern", "format", "minLength", "maxLength",
    "minItems", "maxItems", "minimum", "maximum", "required",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column; `wide` ones show with `kubectl get -o wide`."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind and what its definition is made from."""

    kind: str
    plural: str
    short_name: str
    spec: type[Spec]
    status: type[BaseModel]
    columns: tuple[Column, ...]


RESOURCES = (
    Resource(
        kind=names.STRATEGY_KIND,
        plural=names.STRATEGY_PLURAL,
        short_name="ts",
        spec=TradingStrategySpec,
        status=TradingStrategyStatus,
        columns=(
            Column("Symbol", ".spec.symbol"),
            Column("Qty", ".spec.quantity", "integer"),
            Column("Stop", ".status.stopPrice", "number"),
            Column("Status", ".status.phase"),
            Column("Execution", ".status.execution"),
            Column("Reason", ".status.reason"),
            Column("PnL", ".status.realizedPnl", "number"),
            Column("Account", ".spec.brokerAccount", wide=True),
            Column("Mode", ".spec.mode", wide=True),
            Column("Pod", ".status.podName", wide=True),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    ),
    Resource(
        kind=names.ACCOUNT_KIND,
        plural=names.ACCOUNT_PLURAL,
        short_name="ba",
        spec=BrokerAccountSpec,
        status=BrokerAccountStatus,
        columns=(
            Column("Broker", ".spec.broker"),
            Column("Status", ".status.phase"),
            Column("Clock", ".spec.clock"),
            Column("Token-Expires", ".status.tokenExpiresAt", "string"),
            Column("Age", ".metadata.creationTimestamp", "date"),
        ),
    ),
)


def definition(resource: Resource) -> Schema:
    """The CustomResourceDefinition of a resource."""
    spec = structural(resource.spec)
    spec["x-kubernetes-validations"] = [
        {"rule": rule.cel, "message": rule.message}
        | ({"fieldPath": f".{rule.field}"} if rule.field and "oldSelf" not in rule.cel else {})
        for rule in resource.spec.rules
    ]
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": structural(resource.status),
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "shortNames": [resource.short_name],
                "categories": ["trading"],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_printer_column(c) for c in resource.columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def structural(model: type[BaseModel]) -> Schema:
    """A model's JSON schema in the structural form that the API server takes."""
    schema = model.model_json_schema()
    definitions: dict[str, Schema] = schema.get("$defs", {})
    return _node(schema, definitions)


def _node(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    schema = _resolved(schema, definitions)
    node = {key: schema[key] for key in _KEPT if key in schema and schema[key] is not None}
    if isinstance(node.get("default"), dict):
        node["default"] = {k: v for k, v in node["default"].items() if v is not None}
    if "const" in schema:
        node["enum"] = [schema["const"]]
    for bound, edge in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in schema:
            node |= {edge: schema[bound], bound: True}
    if node.get("type") == "integer":
        node["format"] = "int64"
    if "items" in schema:
        node["items"] = _node(schema["items"], definitions)
    if "properties" in schema:
        node["properties"] = {
            name: _node(child, definitions) for name, child in schema["properties"].items()
        }
    return node


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """Follows a reference and drops the null of an optional field: absent means none."""
    outer = {k: v for k, v in schema.items() if k not in ("$ref", "anyOf", "allOf")}
    if "$ref" in schema:
        inner = definitions[schema["$ref"].rsplit("/", 1)[-1]]
        return _resolved(inner, definitions) | outer
    if "anyOf" in schema:
        (inner,) = [option for option in schema["anyOf"] if option.get("type") != "null"]
        return _resolved(inner, definitions) | outer
    return schema


def _printer_column(column: Column) -> Schema:
    return {"name": column.name, "jsonPath": column.path, "type": column.type} | (
        {"priority": 1} if column.wide else {}
    )


def crd_yaml(resource: Resource) -> str:
    """The definition as YAML."""
    header = f"# Generated from crds/src/algo_contract/{names.VERSION} by `make generate`.\n"
    plain = json.loads(json.dumps(definition(resource)))
    return header + yaml.safe_dump(plain, sort_keys=False, width=100)
