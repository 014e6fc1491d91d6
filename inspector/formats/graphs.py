"""The graph of an exported program as text, and what it says of the modules that it came from."""

from __future__ import annotations

from typing import Any

LONGEST = 100_000
"""Nodes of a graph that are written out."""

SHORT = {
    1: "u8", 2: "i8", 3: "i16", 4: "i32", 5: "i64", 6: "f16", 7: "f32", 8: "f64", 10: "c64", 11: "c128", 12: "b8",
    13: "bf16",
}  # fmt: skip
"""torch's short names for dtypes in printed graphs, by the numbers of the schema."""


def module_types(program: dict[str, Any]) -> dict[str, str]:
    """The classes of the modules that the graph's nodes came from, by fully qualified name, in the order of use.

    Each node's `nn_module_stack` is a text `L__self__,,__main__.M;L__self__fc,fc,torch.nn.modules.linear.Linear`.
    """
    types: dict[str, str] = {}
    for node in _nodes(program):
        metadata = node.get("metadata")
        stack = metadata.get("nn_module_stack") if isinstance(metadata, dict) else None
        for level in stack.split(";") if isinstance(stack, str) else ():
            parts = level.split(",")
            if len(parts) == 3 and parts[1] and parts[1] not in types:
                types[parts[1]] = parts[2]
    return types


def graph_text(program: dict[str, Any]) -> str:
    """The graph as Python that could have made it: one line for each node, with the dtypes and shapes of its results."""
    graph = program.get("graph_module", {}).get("graph", {}) if isinstance(program.get("graph_module"), dict) else {}
    values = graph.get("tensor_values") if isinstance(graph, dict) else None
    types = values if isinstance(values, dict) else {}
    inputs = graph.get("inputs") if isinstance(graph, dict) else None
    names = [_argument(item) for item in inputs] if isinstance(inputs, list) else []
    lines = ["def forward(" + ", ".join(_typed(name, types) for name in names) + "):"]
    for number, node in enumerate(_nodes(program)):
        if number >= LONGEST:
            lines.append(f"    … more than {LONGEST} nodes")
            break
        made = [_argument(item) for item in node.get("outputs") or [] if isinstance(item, dict)]
        given = [_named(item) for item in node.get("inputs") or [] if isinstance(item, dict)]
        target = str(node.get("target", "?")).removeprefix("torch.ops.")
        results = ", ".join(_typed(name, types) for name in made)
        lines.append(f"    {results + ' = ' if results else ''}{target}({', '.join(given)})")
    outputs = graph.get("outputs") if isinstance(graph, dict) else None
    returned = ", ".join(_argument(item) for item in outputs) if isinstance(outputs, list) else ""
    lines.append(f"    return ({returned},)")
    return "\n".join(lines)


def _nodes(program: dict[str, Any]) -> list[dict[str, Any]]:
    module = program.get("graph_module")
    graph = module.get("graph") if isinstance(module, dict) else None
    nodes = graph.get("nodes") if isinstance(graph, dict) else None
    return [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []


def _named(item: dict[str, Any]) -> str:
    """One argument of a call; those that are keywords (kind 2) with their name."""
    text = _argument(item.get("arg"))
    return f"{item.get('name')}={text}" if item.get("kind") == 2 else text


def _argument(item: Any) -> str:
    """An `Argument` of the schema, `{"as_tensor": {"name": "x"}}`, in short; lists to the first level."""
    if not isinstance(item, dict) or len(item) != 1:
        return _short(item)
    ((kind, value),) = item.items()
    if kind == "as_none":
        return "None"
    if isinstance(value, dict):
        return str(value.get("name", value.get("as_name", value.get("as_int", _short(value)))))
    if isinstance(value, list):
        return "[" + ", ".join(_element(part) for part in value[:50]) + (", …]" if len(value) > 50 else "]")
    return _short(value)


def _element(part: Any) -> str:
    if isinstance(part, dict):
        return str(part.get("name", part.get("as_int", part.get("as_name", _short(part)))))
    return _short(part)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


def _typed(name: str, types: dict[str, Any]) -> str:
    """A name with the dtype and shape of its tensor: `x: f32[4, 3]`."""
    meta = types.get(name)
    if not isinstance(meta, dict):
        return name
    sizes = meta.get("sizes")
    shape = ", ".join(_element(size) for size in sizes) if isinstance(sizes, list) else "?"
    number = meta.get("dtype")
    dtype = SHORT.get(number, f"dtype {number}") if isinstance(number, int) else "?"
    return f"{name}: {dtype}[{shape}]"
