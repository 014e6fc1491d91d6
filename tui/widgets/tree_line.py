"""How one node of the tree is drawn: guides, fold mark, name and badges at the left, its kind and totals at the right."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inspector.naming import likely_kind
from inspector.nodes import Module, Node, Tensor, Value
from inspector.pickles.objects import text
from tui.figures import shape_text, short_count, short_size
from tui.lines import Line, Part, cells, cut, cut_middle, safe, width_of

if TYPE_CHECKING:
    from inspector.statistics.health import Finding

COUNT = 8
"""Columns of a parameter count with the gap before it: `  66.4M`."""

SIZE = 10
"""Columns of a size with the gap before it: `  4.8 MB`."""

NARROWEST = {"summary": 84, "size": 56, "count": 42, "kind": 26}
"""The least width of the tree that has these at the right; `summary`: the others beside the figures of a tensor."""

MARKS: dict[str, tuple[str, str]] = {
    "nan": ("NaN", "error"), "inf": ("Inf", "error"), "exploding": ("exploding", "error"), "unread": ("unread", "error"),
    "dead rows": ("dead rows", "badge"), "dead columns": ("dead columns", "badge"), "zero": ("all zero", "badge"),
    "constant": ("constant", "badge"),
}  # fmt: skip
"""What is wrong with values in a word, and its role, by the kind of finding."""

INDENT = 2
"""Columns of one level."""


@dataclass(slots=True)
class Look:
    """What the lines need to know besides their node.

    `totals` are elements and bytes of modules where a filter changes them; `tied` are the tensors that lie in a
    storage with others; `asides` are modules whose tensors are no parameters; `damaged` are tensors with problems,
    and modules that hold such; `findings` has the worst that is wrong with values at or below a node, and `sound` are
    tensors that were looked at for that; `stacks` has the name of a row that stands for several layers, and for how many;
    `summaries` are the figures of tensors in their short form, if those are to stand in the place of the kinds; `wanted`
    is what a search looks for.
    """

    root_label: str = ""
    totals: Mapping[Node, tuple[int, int]] = field(default_factory=dict)
    tied: Container[Tensor] = ()
    asides: Container[Node] = ()
    damaged: Container[Node] = ()
    findings: Mapping[Node, Finding] = field(default_factory=dict)
    sound: Container[Node] = ()
    stacks: Mapping[Node, tuple[str, int]] = field(default_factory=dict)
    summaries: dict[Tensor, str] | None = None
    wanted: re.Pattern[str] | None = None


def header_line(width: int, position: str, restriction: str, focused: bool) -> Line:
    """The heads of the columns; before them where the cursor is, and the filter if there is one."""
    # Below the last column of the head is the scrollbar.
    width -= 1
    right: list[Part] = []
    if width >= NARROWEST["count"]:
        right.append(("params".rjust(COUNT), "dim"))
    if width >= NARROWEST["size"]:
        right.append(("bytes".rjust(SIZE), "dim"))
    left = [(" name", "accent" if focused else "dim"), (f"  {position}", "dim")]
    if restriction:
        left.append((cut(f"  only {restriction}", width - width_of(left) - width_of(right)), "badge"))
    gap = width - width_of(left) - width_of(right)
    return [*left, (" " * max(gap, 0), "text"), *right]


def tree_line(node: Node, depth: int, width: int, expandable: bool, expanded: bool, look: Look) -> Line:
    """The line of a node in `width` columns."""
    right: list[Part] = []
    count, size = _figures(node, look)
    summary = _summary(node, look)
    wide = width if not summary or width >= NARROWEST["summary"] else 0
    if wide >= NARROWEST["count"]:
        counts = not isinstance(node, Tensor) or _is_parameter(node, look)
        right.append((count.rjust(COUNT), "text" if counts else "faint"))
    if wide >= NARROWEST["size"]:
        right.append((size.rjust(SIZE), "dim"))
    room = width - width_of(right)
    front = _front(depth, room // 3, expandable, expanded)
    room -= width_of(front)
    badges = _badges(node, look, expanded)
    kind = summary or _kind(node) if width >= NARROWEST["kind"] else []
    stack = look.stacks.get(node)
    label = look.root_label if node.parent is None else safe(node.label) if stack is None else safe(stack[0])
    # The name has what its kind leaves, and at least half.
    kind = _shortened(kind, max(room - cells(label) - width_of(badges) - 2, room // 2 - 2))
    label = cut_middle(label, max(room - width_of(kind) - width_of(badges) - 2, min(room, 8)))
    badges = _fitting(badges, room - cells(label) - width_of(kind) - 1)
    left = [*front, *_marked(label, _role(node), look.wanted), *badges]
    gap = width - width_of(left) - width_of(kind) - width_of(right)
    return [*left, (" " * max(gap, 0), "text"), *kind, *right]


def value_text(node: Value) -> str:
    """A value in one short line."""
    return safe(text(node.value, 200))


def _front(depth: int, room: int, expandable: bool, expanded: bool) -> list[Part]:
    mark = ("▾ " if expanded else "▸ ") if expandable else "  "
    if depth * INDENT > room:
        shown = max(room // INDENT - 3, 0)
        return [(f" ⋯{depth - shown} ", "faint"), ("│ " * shown, "faint"), (mark, "dim")]
    return [(" " + "│ " * depth, "faint"), (mark, "dim")]


def _role(node: Node) -> str:
    if isinstance(node, Module):
        return "strong"
    return "text" if isinstance(node, Tensor) else "dim"


def _kind(node: Node) -> list[Part]:
    if isinstance(node, Tensor):
        return [(safe(node.dtype), "dtype"), (" ", "text"), (shape_text(node.shape), "text")]
    if isinstance(node, Module):
        if node.belongs is not None:
            return [(f"of {safe(node.belongs.name)}", "value")]
        return [(safe(node.short_type), "class" if node.role in ("layer", "object") else "dim")]
    return [(value_text(node), "value")] if isinstance(node, Value) else []


def _summary(node: Node, look: Look) -> list[Part]:
    """The figures of a tensor where they are asked for."""
    if look.summaries is None or not isinstance(node, Tensor):
        return []
    summary = look.summaries.get(node, "…")
    return [(summary, "error" if "!" in summary else "value")]


def _shortened(kind: list[Part], width: int) -> list[Part]:
    """The kind in at most `width` columns: a tensor's shape outlives its dtype."""
    if not kind or width_of(kind) <= width:
        return kind
    text, role = kind[-1]
    return [(cut(text, width), role)]


def _figures(node: Node, look: Look) -> tuple[str, str]:
    if isinstance(node, Value):
        return "", ""
    if isinstance(node, Tensor):
        return short_count(node.numel), short_size(node.nbytes)
    assert isinstance(node, Module)
    numel, nbytes = look.totals.get(node, (node.numel, node.nbytes))
    return (short_count(numel), short_size(nbytes)) if node.tensor_count else ("", "")


def _is_parameter(tensor: Tensor, look: Look) -> bool:
    """Whether its elements are among those that the modules above count."""
    node: Node | None = tensor.parent
    while node is not None and look.asides:
        if node in look.asides:
            return False
        node = node.parent
    return likely_kind(tensor) == "parameter"


def _fitting(badges: list[Part], width: int) -> list[Part]:
    """As many badges, or as much of one, as there is room for."""
    fitting: list[Part] = []
    for badge, role in badges:
        fitting.append((cut(badge, width - width_of(fitting)), role))
    return [(badge, role) for badge, role in fitting if badge.strip() not in ("", "…")]


def _badges(node: Node, look: Look, expanded: bool) -> list[Part]:
    badges: list[Part] = []
    if node in look.stacks:
        badges.append((f" ×{look.stacks[node][1]:,}", "accent"))
    finding = look.findings.get(node)
    if finding is not None:
        word, role = MARKS[finding.kind]
        badges.append((f" {word}", role))
    elif node in look.sound:
        badges.append((" ✓", "value"))
    if isinstance(node, Tensor):
        if node.traits.computed is not None:
            badges.append((f" {safe(node.traits.computed.brief)}", "class"))
        if node in look.tied:
            badges.append((" tied", "badge"))
        if node.kind == "parameter" and not node.requires_grad:
            badges.append((" frozen", "class"))
        if node in look.damaged or node.traits.problems:
            badges.append((" problem", "error"))
    elif isinstance(node, Module):
        if node.opaque:
            badges.append((" opaque", "badge"))
        if node in look.damaged:
            badges.append((" !" if expanded else " problems below", "error"))
    return badges


def _marked(label: str, role: str, wanted: re.Pattern[str] | None) -> list[Part]:
    """The label with what the search looks for marked."""
    found = wanted.search(label) if wanted is not None else None
    if found is None or found.end() == found.start():
        return [(label, role)]
    return [(label[: found.start()], role), (found[0], "match"), (label[found.end() :], role)]
