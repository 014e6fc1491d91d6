"""What a person gets whose terminal has ASCII only, or a few letters more: something alike, else an escape."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

LOOKALIKES = {
    **dict(zip("…·↑↓←→▸▾▐⏎⋯×✓≤≥≡–—‘’“”−±μσ∈", "~.^v<>>v|<:xv<>=--''\"\"-~us:", strict=True)),
    **dict(zip(" ▁▂▃▄▅▆▇█", " ..:-=+*#", strict=True)),
    **dict.fromkeys("─━═╌╍┄┅┈┉▔▀", "-"),
    **dict.fromkeys("│┃║╎╏┆┇┊┋▏▎▍▌▋▊▉▕", "|"),
    **dict(zip("░▒▓■✓≡≤≥", "+xX#v%<>", strict=True)),
}
"""What stands for a character where there is only ASCII, in one column as itself."""

IN_REPORTS = {"…": "...", "·": "-", "→": "->", "∈[": " in ", "μ=": "mean", "σ=": "std"}
"""What stands in a report for what is drawn there, if need be only before another character: names and values are exact."""

ESCAPING = "torchtui.escaping"
"""Handles what an encoding does not have, as `errors=` of a stream."""


def is_wanted(environ: Mapping[str, str], utf8_mode: bool) -> bool:
    """Whether the person's locale, set in so many words, is not one of UTF-8.

    Python (PEP 538, 540) takes the C locale for UTF-8, sets LC_CTYPE for that, and is in its UTF-8 mode then.
    """
    names = ("LC_ALL", "LANG") if utf8_mode else ("LC_ALL", "LC_CTYPE", "LANG")
    locale = next(filter(None, map(environ.get, names)), "UTF-8")
    return "utf8" not in locale.lower().replace("-", "")


def lookalike(character: str) -> str:
    """One column of ASCII for a character, of box drawing a corner; empty if there is none."""
    return LOOKALIKES.get(character) or ("+" if "\u2500" <= character <= "\u257f" else "")


def set_up(stream: Any, environ: Mapping[str, str], utf8_mode: bool) -> None:
    """Let a stream take every text: in the encoding of the locale, where nobody has named another one for Python."""
    codecs.register_error(ESCAPING, _escaped)
    ascii_only = "PYTHONIOENCODING" not in environ and is_wanted(environ, utf8_mode)
    # None is no stream, and what stands in for one may take all text already.
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(encoding="ascii" if ascii_only else None, errors=ESCAPING)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object
    return "".join(_in_report(text[at : at + 2]) for at in range(error.start, error.end)), error.end


def _in_report(pair: str) -> str:
    """ASCII for the first character of a pair."""
    return IN_REPORTS.get(pair) or IN_REPORTS.get(pair[0]) or ascii(pair[0])[1:-1]
