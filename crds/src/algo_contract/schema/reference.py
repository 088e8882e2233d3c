"""Writes the reference page of the custom resources from their models."""

from algo_contract import names
from algo_contract.schema.crd import RESOURCES, Resource, Schema, structural


def reference_markdown() -> str:
    """docs/reference/resources.md."""
    head = (
        "# Custom resources\n\n"
        f"Group `{names.GROUP}`, version `{names.VERSION}`. "
        "Generated from the models in `crds/` by `make generate`.\n"
    )
    return head + "".join(_section(resource) for resource in RESOURCES)


def _section(resource: Resource) -> str:
    lines = [f"\n## {resource.kind} (`{resource.short_name}`)\n\n### spec\n\n"]
    lines += _table(structural(resource.spec), prefix="")
    lines.append("\n### rules\n\n")
    lines += [f"- {rule.message}.\n" for rule in resource.spec.rules]
    lines.append("\n### status\n\n")
    lines += _table(structural(resource.status), prefix="")
    return "".join(lines)


def _table(schema: Schema, *, prefix: str) -> list[str]:
    rows = ["| field | type | default | what it is |\n|---|---|---|---|\n"] if not prefix else []
    required = schema.get("required", [])
    for name, child in schema["properties"].items():
        default = f"`{child['default']}`" if child.get("default") not in (None, {}, []) else ""
        default = "required" if name in required and not prefix else default
        rows.append(
            f"| `{prefix}{name}` | {_type(child)} | {default} | {child.get('description', '')} |\n"
        )
        if "properties" in child:
            rows += _table(child, prefix=f"{prefix}{name}.")
    return rows


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return " \\| ".join(schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema["type"])
