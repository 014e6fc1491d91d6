"""What a file says of itself as an indented outline: dicts and lists below their names, everything else beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from inspector.naming import key_text
from inspector.pickles.objects import text
from tui.figures import plural
from tui.lines import Line, cells, cut, labelled, safe, wrap

INDENT = 2
"""Columns by which a level stands further right."""

COLUMN = 18
"""Columns of the outermost names, where none is longer; those that take more than twice that are longer than all."""

LONGEST = 20_000
LONGEST_NESTED = 300
"""Characters that are shown of a value, and of a dict that stands too deep to have lines of its own."""

MOST_LINES = 5000
"""Lines of an outline."""

MOST_ITEMS = 1000
"""Entries of one dict or list that are shown."""

LONG_LIST = 100
"""Items up to which a list is written whole; of a longer one half as many are."""

DEEPEST = 20
"""Levels that stand below each other; what is deeper is written in one piece."""


def outline(entries: Mapping[str, Any], width: int) -> list[Line]:
    """The lines for some entries, in this width."""
    lines: list[Line] = []
    levels = [_level(entries, COLUMN)]
    while levels and len(lines) < MOST_LINES:
        column, entry = levels[-1][0], next(levels[-1][1], None)
        if entry is None:
            levels.pop()
            continue
        name, value = entry
        indent = (len(levels) - 1) * INDENT
        label = " " * indent + name
        if value is _MORE:
            lines.append([(label, "badge")])
        elif _nests(value) and len(levels) < DEEPEST:
            lines += labelled(label, (plural(len(value), "entry"), "dim"), indent + column, width)
            levels.append(_level(value, 0))
        elif type(value) is str and "\n" in value:
            lines.append([(cut(label, width), "dim")])
            for part in safe_lines(value):
                lines += wrap([(" " * (indent + INDENT), "text"), (part, "value")], width, indent + INDENT)
        else:
            lines += labelled(label, (_written(value), "value"), indent + column, width)
    if levels:
        lines[MOST_LINES - 1 :] = [[("… cut here: there is more", "badge")]]
    return lines


_MORE = object()
"""The value of the entry that says how many more there are."""


def safe_lines(value: str) -> list[str]:
    """The lines of a text, fit for a terminal."""
    lines = [safe(line, LONGEST) for line in value[:LONGEST].split("\n")]
    return lines if len(value) <= LONGEST else [*lines, f"… {len(value) - LONGEST:,} more characters"]


def _level(value: Any, least: int) -> tuple[int, Iterator[tuple[str, Any]]]:
    """The column of the values of a dict or list, at least `least`, and its entries by name."""
    pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
    entries = [(safe(key_text(key)), item) for (key, item), _ in zip(pairs, range(MOST_ITEMS), strict=False)]
    widest = max((size for name, _ in entries if (size := cells(name) + 2) <= 2 * COLUMN), default=0)
    if len(value) > len(entries):
        entries.append((f"… {len(value) - len(entries):,} more", _MORE))
    return max(widest, least), iter(entries)


def _nests(value: Any) -> bool:
    """Whether a value stands below its name: a dict, or a list of such; a list of plain values is one line."""
    if type(value) is dict:
        return bool(value)
    return type(value) in (list, tuple) and any(type(item) in (dict, list, tuple) for item in value[:MOST_ITEMS])


def _written(value: Any) -> str:
    if type(value) in (list, tuple) and len(value) > LONG_LIST:
        return f"{safe(text(value[: LONG_LIST // 2], LONGEST), LONGEST)} … {len(value) - LONG_LIST // 2:,} more"
    limit = LONGEST_NESTED if _nests(value) else LONGEST
    return safe(value if type(value) is str else text(value, limit), limit)
