"""The text of `print(model)`, `print(layer)` and `print(tensor)`, as torch 2.13 prints it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from inspector.describe import extra_repr
from inspector.describe.layers import is_subclass
from inspector.describe.tensor_text import tensor
from inspector.errors import visible
from inspector.nodes import Module, Node, Tensor, Value
from inspector.pickles.objects import text

__all__ = ["module", "tensor"]

MOST_LINES = 200_000
MOST_CHARACTERS = 20_000_000
"""Bounds on the text of one module."""

LONGEST_VALUE = 10_000
"""Characters of a value in it; of a longer one the last is an ellipsis."""


def module(node: Module, most_lines: int = MOST_LINES) -> str:
    """The text of `print(module)`: classes, what they say of themselves, and below them their modules.

    A foreign class says nothing of itself, nor does a scripted module, but for its class. What is no `nn.Module` is
    written in the same form, with a line for each tensor and value. A text that would grow beyond `most_lines` or
    `MOST_CHARACTERS` ends early and says so.
    """
    writer = _Writer(most_lines)
    writer.open(node, 0)
    while writer.levels and not writer.full:
        writer.go_on()
    return writer.text()


SCRIPTED = "RecursiveScriptModule"
"""The class of every module that `torch.jit.load` gives."""


@dataclass(slots=True)
class _Level:
    """A module that is being written, with the children still to come.

    Of a `ModuleList` the lines from `run` to `fresh` are a child that stands for `count` equal ones from `number` on,
    and the lines from `fresh` on are the child written last, not yet compared with it.
    """

    depth: int
    children: Iterator[Node]
    collapses: bool
    run: int
    fresh: int
    number: int = 0
    count: int = 0


@dataclass(slots=True)
class _Writer:
    """The lines so far, each with its depth, and the modules that are still open, outermost first."""

    most_lines: int
    lines: list[tuple[int, str]] = field(default_factory=list)
    levels: list[_Level] = field(default_factory=list)
    written: int = 0
    characters: int = 0

    @property
    def full(self) -> bool:
        """Whether the text is as long as it may be, with the children counted that were found equal to another."""
        return self.written > self.most_lines or self.characters > MOST_CHARACTERS

    def text(self) -> str:
        """The lines written so far, with a last one if something is missing."""
        if self.levels:
            for level in reversed(self.levels):
                if level.collapses:
                    self.collapse(level)
                    self.finish(level)
            self.lines.append((0, f"... (cut after {self.written} lines)"))
        return "\n".join("  " * depth + line for depth, line in self.lines)

    def line(self, depth: int, line: str) -> None:
        self.lines.append((depth, line))
        self.written += 1
        self.characters += 2 * depth + len(line)

    def open(self, node: Module, depth: int, prefix: str = "") -> None:
        """Writes a module's own lines; one with children stays open."""
        layer = node.role == "layer"
        collapses = layer and not node.scripted and is_subclass(node.type, "torch.nn.ModuleList")
        children = [child for child in node.children if not layer or _is_submodule(child)]
        if layer and node.scripted:
            name, own = SCRIPTED, [f"original_name={visible(node.short_type)}"]
        else:
            name, own = visible(node.short_type), extra_repr.lines(node) if layer and not collapses else []
        head = f"{prefix}{name}("
        if not children and len(own) <= 1:
            self.line(depth, f"{head}{''.join(own)})")
            return
        self.line(depth, head)
        for line in own:
            self.line(depth + 1, line)
        here = len(self.lines)
        self.levels.append(_Level(depth, iter(children), collapses, run=here, fresh=here))

    def go_on(self) -> None:
        """Writes the next child of the innermost open module, or closes that module."""
        level = self.levels[-1]
        if level.collapses:
            self.collapse(level)
        child = next(level.children, None)
        if child is None:
            self.finish(level)
            self.levels.pop()
            self.line(level.depth, ")")
            return
        prefix = "" if level.collapses else f"({visible(child.label)}): "
        if isinstance(child, Module):
            self.open(child, level.depth + 1, prefix)
        else:
            self.line(level.depth + 1, prefix + _leaf(child))

    def collapse(self, level: _Level) -> None:
        """Counts the child written last with those before it if it is equal to them; else it begins a run."""
        end = len(self.lines)
        if level.fresh == end:
            return
        if level.count and self.lines[level.run : level.fresh] == self.lines[level.fresh :]:
            del self.lines[level.fresh :]
            level.count += 1
            return
        self.finish(level)
        level.number += level.count
        level.run, level.fresh, level.count = level.fresh, end, 1

    def finish(self, level: _Level) -> None:
        """Writes before a run of equal children which they are."""
        if level.count:
            depth, line = self.lines[level.run]
            number, last = level.number, level.number + level.count - 1
            which = f"({number}): " if level.count == 1 else f"({number}-{last}): {level.count} x "
            self.lines[level.run] = depth, which + line


def _is_submodule(child: Node) -> bool:
    """Whether a layer's child is one of its modules: a layer, the place of one, or None where there could be one."""
    if isinstance(child, Value):
        return child.value is None or getattr(getattr(child.value, "node", None), "role", "") == "layer"
    return isinstance(child, Module) and child.role == "layer"


def _leaf(node: Node) -> str:
    """The line for a tensor or value."""
    if isinstance(node, Tensor):
        return f"{node.kind} {text(list(node.shape))} {visible(node.dtype)}"
    return visible(text(node.value, LONGEST_VALUE)) if isinstance(node, Value) else ""
