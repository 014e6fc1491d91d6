"""Source code as lines in colours, made for the lines that are looked at.

Not by Pygments, whose expressions can take for ever over a hostile text, and nothing can stop one that runs: these here
look at each character once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from keyword import kwlist
from typing import overload

from tui.lines import Line, Part, safe

LONGEST = 2_000_000
"""Characters of a text that are shown."""

LONGEST_LINE = 2000
"""Characters of a line that are shown."""

TAB = 4

EVERY = 2000
"""Lines between two calls of `progress`."""

KEYWORDS = frozenset(kwlist)

_TOKEN = re.compile(
    r"""
    (?P<comment> \#.*)
    | [bBrRuUfF]{0,2} (?: (?P<block> \"{3} | '{3}) | (?P<string> "(?:[^"\\]|\\.)*+(?:"|\\?$) | '(?:[^'\\]|\\.)*+(?:'|\\?$)))
    | (?P<number> \d[\w.]*)
    | (?P<decorator> @[\w.]+)
    | (?P<word> [^\W\d]\w*)
    """,
    re.VERBOSE,
)

_ENDS = {
    '"""': re.compile(r'(?:[^"\\]|\\.|"(?!""))*+(?P<end>""")?'),
    "'''": re.compile(r"(?:[^'\\]|\\.|'(?!''))*+(?P<end>''')?"),
}
"""The rest of a line in a text of many lines, by what ends that."""

ROLES = {"comment": "dim", "string": "value", "number": "dtype", "decorator": "badge", "word": "text"}


class Code(Sequence[Line]):
    """The lines of a text, of Python code in colours; what is too long for the screen is left out, and said.

    `progress` is called now and then while the text is looked through, and may raise to stop.
    """

    def __init__(self, text: str, python: bool, progress: Callable[[float], None]) -> None:
        shown = text[:LONGEST].replace("\r\n", "\n").removesuffix("\n").expandtabs(TAB)
        self._lines = shown.split("\n")
        self._rest = len(text) - LONGEST
        # What ends the text that a line begins in, if it begins in one.
        self._within: list[str] | None = None
        if python:
            self._within = within = [""]
            for number, line in enumerate(self._lines):
                if number % EVERY == 0:
                    progress(number / len(self._lines))
                within.append(_coloured(line[:LONGEST_LINE], within[-1])[1])

    def line_of(self, name: str) -> int:
        """The number of the line in which a class of this name begins; of the first line if there is none."""
        beginnings = (f"class {name}(", f"class {name}:")
        return next((number for number, line in enumerate(self._lines) if line.startswith(beginnings)), 0)

    def __len__(self) -> int:
        return len(self._lines) + (self._rest > 0)

    @overload
    def __getitem__(self, number: int) -> Line: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Line]: ...
    def __getitem__(self, number: int | slice) -> Line | Sequence[Line]:
        """A line, fit for a terminal."""
        if isinstance(number, slice):
            return [self[place] for place in range(*number.indices(len(self)))]
        if number == len(self._lines) < len(self):
            return [(f"… {self._rest:,} more characters", "badge")]
        line = self._lines[number]
        parts = [(line[:LONGEST_LINE], "text")]
        if self._within is not None:
            parts, _ = _coloured(line[:LONGEST_LINE], self._within[number])
        shown = [(safe(text, LONGEST_LINE), role) for text, role in parts]
        if len(line) > LONGEST_LINE:
            shown.append((f"… {len(line) - LONGEST_LINE:,} more characters", "badge"))
        return shown


def _coloured(line: str, within: str) -> tuple[list[Part], str]:
    """The parts of a line that begins within a text which `within` ends (if any), and what the next line is within."""
    parts: list[Part] = []
    place = 0
    if within:
        rest = _ENDS[within].match(line)
        assert rest is not None
        place = rest.end() if rest["end"] else len(line)
        parts.append((line[:place], ROLES["string"]))
        if not rest["end"]:
            return parts, within
    defines = False
    for kind, start, end in _tokens(line, place):
        if start > place:
            parts.append((line[place:start], "text"))
        word = line[start:end]
        role = ROLES.get(kind, ROLES["string"])
        if kind == "word" and word in KEYWORDS:
            role = "class"
        elif kind == "word" and defines:
            role = "strong"
        defines = word in ("def", "class")
        parts.append((word, role))
        place = end
        if kind in _ENDS:
            return parts, kind
    if place < len(line):
        parts.append((line[place:], "text"))
    return parts, ""


def _tokens(line: str, place: int) -> Iterator[tuple[str, int, int]]:
    """What is to be coloured from a place on: its kind, where it begins and ends. A text that goes on is the last."""
    while (token := _TOKEN.search(line, place)) is not None:
        kind = token.lastgroup or ""
        place = token.end()
        if kind == "block":
            kind = token["block"]
            rest = _ENDS[kind].match(line, place)
            assert rest is not None
            if not rest["end"]:
                yield kind, token.start(), len(line)
                return
            kind, place = "string", rest.end()
        yield kind, token.start(), place
