"""Everything that is known about the node under the cursor, without reading a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from inspector import Checkpoint, soundness
from inspector.nodes import Module, Node, Tensor, Value
from inspector.pickles.objects import text
from inspector.storage import Computed, Quantization, Storage
from inspector.window.pieces import Piece
from tui.figures import plural, shape_text, short_count, short_size
from tui.index import Survey
from tui.lines import Line, cells, labelled, safe, wrap
from tui.outline import safe_lines
from tui.widgets.text_pane import TextPane

KEY = 12
"""Columns of the words at the left."""

LONGEST_NAME = 2000
LONGEST_VALUE = 20_000
"""Characters of a name and of a value that are shown."""

MOST_PRINTED = 400
"""Lines of a layer's printed text that are shown."""

MOST_LISTED = 100
"""Attributes, and names of tied tensors, that are listed."""

MOST_FILES = 8
"""Files with pieces of a tensor that are named."""

NOTED = 10_000
"""Bytes that belong to no tensor from which on they are mentioned."""

Ties = Mapping[Tensor, Sequence[Tensor]]
"""For each tensor that shares its storage, all that lie in it."""


class Details(TextPane):
    """The pane of a node's details."""

    def describe(self, node: Node, checkpoint: Checkpoint | None, survey: Survey) -> None:
        """Show what is known about a node."""
        self.show(lambda width: details(node, checkpoint, survey, width))


def details(node: Node, checkpoint: Checkpoint | None, survey: Survey, width: int) -> list[Line]:
    """The lines about a node."""
    facts: list[tuple[str, str, str]] = []
    name = node.name
    # The head of the pane says it too, where it has room for all of it.
    if cells(name) > width - 2:
        facts.append(("name", safe(name, LONGEST_NAME), "strong"))
    if node.expression:
        facts.append(("expression", safe(node.expression, LONGEST_NAME), "text"))
    if isinstance(node, Tensor):
        facts += _of_tensor(node, survey.together, checkpoint.path if checkpoint is not None else "")
        known = survey.troubles.damaged.get(node, ()) if survey.troubles is not None else soundness.troubles(node)
        facts += [("problem", safe(problem, LONGEST_NAME), "error") for problem in known]
    elif isinstance(node, Module):
        facts += _of_module(node)
        if node.parent is None:
            facts += _unused(survey)
        if checkpoint is not None and (name := checkpoint.text_of(node)):
            facts.append(("text", f"T shows {safe(name)}", "value"))
    elif isinstance(node, Value):
        facts.append(("type", _type(node.value), "class"))
        if not _has_lines(node.value):
            facts.append(("value", safe(text(node.value, LONGEST_VALUE), LONGEST_VALUE), "value"))
    facts += _optimizing(node)
    if node.whole is not None:
        facts.append(("part of", safe(node.whole.name, LONGEST_NAME), "badge"))
    if node.twin is not None:
        facts.append(("same as", safe(node.twin.name, LONGEST_NAME), "badge"))
    lines: list[Line] = []
    for key, value, role in facts:
        lines += labelled(f" {key}", (value, role), KEY + 1, width - 1)
    if isinstance(node, Module) and node.role == "layer":
        from inspector import describe

        printed = describe.module(node, MOST_PRINTED).split("\n")
        lines += [[], *([(f" {line}", "text")] for line in printed)]
    if isinstance(node, Value) and _has_lines(node.value):
        for line in safe_lines(node.value):
            lines += wrap([(" ", "text"), (line, "value")], width - 1, 1)
    return lines


def _has_lines(value: Any) -> bool:
    """Whether a value is a text of several lines, which are shown as such."""
    return type(value) is str and "\n" in value


def _of_tensor(node: Tensor, ties: Ties, path: str) -> list[tuple[str, str, str]]:
    traits = node.traits
    kind: str = node.kind
    if kind == "computed":
        kind = "computed from its parts, not in the file"
    if kind == "parameter":
        kind += ", trained (requires_grad)" if node.requires_grad else ", frozen (requires_grad=False)"
    elif node.requires_grad:
        kind += ", requires_grad"
    if not traits.persistent:
        kind += ", in no state_dict"
    facts = [
        ("kind", kind, "text"),
        ("dtype", safe(node.dtype), "dtype"),
        ("shape", f"{shape_text(node.shape)}  {plural(node.numel, 'element')}, {short_size(node.nbytes)}", "text"),
    ]
    if traits.layout == "strided":
        facts.append(("stride", f"{shape_text(node.stride)}{'' if node.contiguous else '  not contiguous'}", "text"))
    storage = node.storage
    if traits.computed is not None:
        facts += _computed(traits.computed)
    elif traits.pieces:
        facts += _pieces(traits.pieces)
    elif storage is None:
        said = "in its parts" if traits.parts else "no values in the file"
        facts.append(("storage", f"{said}, {safe(node.device)}", "text"))
    else:
        facts += _stored(node, storage, path)
    facts += _ties(node, ties)
    if traits.type:
        facts.append(("class", safe(traits.type), "class"))
    if traits.layout != "strided":
        facts.append(("layout", safe(traits.layout), "text"))
    lazy = [word for word, is_set in (("conj", traits.conj), ("neg", traits.neg)) if is_set]
    if lazy:
        facts.append(("lazy", " and ".join(lazy), "text"))
    if traits.quantization is not None:
        facts.append(("quantised", _quantization(traits.quantization), "text"))
    facts += _attributes(traits.attributes)
    return facts


def _stored(node: Tensor, storage: Storage, path: str) -> list[tuple[str, str, str]]:
    """Where the bytes are: which storage, how large, how much of it is this tensor's."""
    where = _place(storage.key) if storage.key is not None else ""
    if storage.file and storage.file != path:
        where += f" of {safe(PurePath(storage.file).name)}"
    where += f"{'  ' if where else ''}{storage.nbytes:,} B, {safe(node.device)}"
    if node.offset:
        where += f", from element {node.offset:,}"
    facts = [("storage", where + (", big-endian" if storage.big else ""), "text")]
    if 0 < node.nbytes < storage.nbytes:
        facts.append(("", f"this tensor takes {node.nbytes:,} B of it", "text"))
    return facts


def _place(key: Any) -> str:
    """Where a storage lies, as the format's own key for it says: a member's name, a byte, a byte of a member."""
    if type(key) is tuple:
        return ", ".join(map(_place, key))
    return f"byte {key:,}" if type(key) is int else safe(str(key))


def _pieces(pieces: Sequence[Piece]) -> list[tuple[str, str, str]]:
    """How many pieces there are, and in which files."""
    files = list(dict.fromkeys(piece.file for piece in pieces if piece.file))
    named = ", ".join(safe(file) for file in files[:MOST_FILES])
    more = f" and {len(files) - MOST_FILES:,} more" if len(files) > MOST_FILES else ""
    return [("stored in", plural(len(pieces), "piece") + (f", in {named}{more}" if files else ""), "text")]


def _unused(survey: Survey) -> list[tuple[str, str, str]]:
    """How much of the file belongs to no tensor, where that is worth a word: slices are saved with all they are of."""
    if survey.unused < max(NOTED, survey.stored // 20):
        return []
    said = f"{short_size(survey.unused)} of the {short_size(survey.stored)} in storages belong to no tensor"
    return [("unused", said, "badge")]


def _optimizing(node: Node) -> list[tuple[str, str, str]]:
    """Which parameter this is an optimizer's state of, or which states there are of this parameter."""
    state = node.parent if isinstance(node, Tensor) else node
    facts = []
    if isinstance(node, Module) and node.note:
        facts.append(("optimizer", safe(node.note, LONGEST_NAME), "badge"))
    if isinstance(state, Module) and state.belongs is not None:
        facts.append(("belongs to", safe(state.belongs.name, LONGEST_NAME), "badge"))
    for moments in node.traits.moments[:MOST_LISTED] if isinstance(node, Tensor) else ():
        kept = ", ".join(safe(child.label) for child in moments.children[:MOST_LISTED])
        facts.append(("moments", f"{safe(moments.name, LONGEST_NAME)}: {kept}", "badge"))
    return facts


def _computed(computed: Computed) -> list[tuple[str, str, str]]:
    """By which scheme, from what and how the values follow."""
    facts = [("scheme", safe(computed.scheme), "class"), ("values", safe(computed.origin), "text")]
    for name, value in computed.facts.items():
        facts.append((safe(name), safe(text(value).strip("'") if not isinstance(value, str) else value), "text"))
    return facts


def _of_module(node: Module) -> list[tuple[str, str, str]]:
    facts = [("class", safe(node.type), "class")] if node.type else []
    if node.opaque:
        facts.append(("opaque", "an object of a class that is not torch's; shown as the file has it", "badge"))
    if node.children:
        facts.append(("holds", plural(len(node.children), "entry"), "text"))
    if node.tensor_count:
        numel = short_count(node.numel)
        exact = f" ({node.numel:,})" if node.numel >= 1000 else ""
        size = f"{short_size(node.nbytes)}{f' ({node.nbytes:,} B)' if node.nbytes >= 1000 else ''}"
        facts += [
            ("tensors", f"{node.tensor_count:,}", "text"),
            ("parameters", numel + exact, "text"),
            ("bytes", size, "text"),
        ]
    return facts + _attributes(node.attributes)


def _ties(node: Tensor, ties: Ties) -> list[tuple[str, str, str]]:
    """Which tensors lie in the same storage: at the very same place, or elsewhere in it."""
    tied: list[str] = []
    beside: list[str] = []
    for other in ties.get(node, ())[:MOST_LISTED]:
        if other is not node:
            same = other.offset == node.offset and other.shape == node.shape and other.stride == node.stride
            (tied if same else beside).append(safe(other.name))
    return [(key, ", ".join(names), "badge") for key, names in (("tied with", tied), ("beside", beside)) if names]


def _quantization(quantization: Quantization) -> str:
    said = [safe(quantization.scheme)]
    for word, value in (("scale", quantization.scale), ("zero point", quantization.zero_point)):
        if isinstance(value, int | float):
            said.append(f"{word} {value!r}")
        elif isinstance(value, Tensor):
            said.append(f"{word}s {safe(value.dtype)} {shape_text(value.shape)}")
        else:
            said.append(f"{word}s of {len(value)} channels")
    if quantization.axis is not None:
        said.append(f"axis {quantization.axis}")
    return ", ".join(said)


def _attributes(attributes: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    facts = []
    for position, (name, value) in enumerate(attributes.items()):
        if position == MOST_LISTED:
            facts.append(("", f"… {len(attributes) - MOST_LISTED:,} more attributes", "dim"))
            break
        facts.append(("" if position else "attributes", f"{safe(name)} = {safe(text(value, 300))}", "text"))
    return facts


def _type(value: Any) -> str:
    return safe(str(getattr(value, "type", type(value).__name__)))
