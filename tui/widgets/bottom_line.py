"""The last line: the keys of the moment, a message, how far something is, or a menu of letters."""

from __future__ import annotations

from collections.abc import Sequence

from tui.lines import Line, Part, cut, cut_middle, spread, width_of
from tui.widgets.one_line import OneLine

Hint = tuple[str, str]
"""A key and the word for what it does."""


class BottomLine(OneLine):
    """Shows `hints` until something more urgent is to be said; as many of them as fit, the last two always."""

    DEFAULT_CSS = """
    BottomLine { background: $surface; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._hints: Sequence[Hint] = ()
        self._said: Line = ()
        self._aside = ""

    @property
    def said(self) -> str:
        """What it says at the moment, as a text; empty while it shows hints."""
        return "".join(text for text, _ in self._said)

    def hint(self, hints: Sequence[Hint]) -> None:
        """Show these keys as long as nothing else is said."""
        if hints != self._hints:
            self._hints = hints
            self.refresh()

    def say(self, text: str, role: str = "text") -> None:
        """Say something in place of the hints; an empty text brings them back."""
        self._set([(f" {text}", role)] if text else ())

    def aside(self, text: str) -> None:
        """Say something at the right end, beside the hints; an empty text takes it away."""
        if text != self._aside:
            self._aside = text
            self.refresh()

    def menu(self, title: str, entries: Sequence[Hint]) -> None:
        """Show which letter is what."""
        line: list[Part] = [(f" {title} ", "strong")]
        for letter, word in entries:
            line += [(f" {letter}", "accent"), (f" {word} ", "text")]
        self._set(line)

    def line(self, width: int) -> Line:
        """The line in this width."""
        if len(self._said) == 1:
            # An error's reason stands at its end.
            text, role = self._said[0]
            return [(cut_middle(text, width), role)]
        if self._said:
            return self._said
        pieces = [[(f" {key}", "accent"), (f" {word} ", "dim")] for key, word in self._hints]
        last = pieces[-2:]
        aside: Line = [(f"{cut(self._aside, width // 2)} ", "text")] if self._aside else ()
        room = width - sum(width_of(piece) for piece in last) - width_of(aside)
        line: list[Part] = []
        for piece in pieces[:-2]:
            room -= width_of(piece)
            if room < 0:
                break
            line += piece
        for piece in last:
            line += piece
        return spread(line, aside, width)

    def _set(self, line: Line) -> None:
        if line != self._said:
            self._said = line
            self.refresh()
