"""What can go wrong with a file, each kind with a message to act on, and `visible`, which makes text safe to show."""

from __future__ import annotations

import re


class InspectorError(Exception):
    """The file, or a part of it, can't be used as asked. The text is one line: what is wrong, where, what to do."""


class NotAModel(InspectorError):
    """The path leads to something that is no model file: a text, a folder, an LFS pointer, a picture."""


class DamagedFile(InspectorError):
    """The file is a model file, but bytes that it should have are missing or wrong."""


class LimitReached(InspectorError):
    """Reading stopped at a limit that protects against hostile files. The text names the limit and its setting."""


class NoValues(InspectorError):
    """The file says that the tensor is there, but holds no values for it (a meta tensor, a missing shard)."""


class TooLarge(InspectorError):
    """What was asked for would not fit into memory or onto the target."""


class MissingExtra(InspectorError):
    """A package that only this needs is not installed. The text says which and how to install it."""


class ChangedFile(InspectorError):
    """The file is not the one that was opened: it was rewritten, replaced, shrunk or deleted in the meantime."""


class UnreadableFile(InspectorError):
    """The system refuses bytes that should be there: a failing disk, a share that went away."""


_HIDDEN = re.compile(
    # C0, DEL, C1; what Unicode calls format characters (zero-width, bidi, soft hyphen, tags); fillers that show nothing;
    # line and paragraph separators; variation selectors; surrogates.
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)

_MAY_COMBINE = re.compile(
    "[\u0300-\u036f\u0483-\u1dff\u20d0-\u20ff\u2cef-\u2dff\u302a-\u309a\ua66f-\uabff\ud7b0-\ud7ff\ufb1e\ufe20-\ufe2f\U00010000-\U0001ffff]"
)
"""Where characters lie that are drawn onto the one before."""

MOST_MARKS = 4
"""Marks that are drawn onto one letter; what stacks up more grows over the lines above."""

PICTURES = "\U0001f000"
"""Where the emoji begin, which are no marks however new they are."""

JOINING = frozenset(map(chr, (*range(0x1160, 0x1200), *range(0xD7B0, 0xD800))))
"""Vowels and finals of Korean, which are drawn into the syllable before."""

LONGEST_NAME = 300
"""Characters of a name that a message shows."""


def visible(text: str) -> str:
    """`text` with every control, bidi, zero-width and surrogate character as a visible escape (`\\x1b`, `\\u202e`).

    Of combining marks those are escapes that have no letter before them, or stand beyond `MOST_MARKS` on one letter.
    All text that comes from a file, a path or an error passes here before it reaches a terminal.
    """
    text = _HIDDEN.sub(_escape, text)
    return text if text.isascii() or _MAY_COMBINE.search(text) is None else _unstacked(text)


def brief(text: str) -> str:
    """A name from a file for a message: `visible`, and of one longer than `LONGEST_NAME` its two ends."""
    if len(text) > LONGEST_NAME:
        text = f"{text[: LONGEST_NAME // 2]}…{text[-LONGEST_NAME // 2 :]}"
    return visible(text)


def _unstacked(text: str) -> str:
    from unicodedata import category

    made: list[str] = []
    marks = MOST_MARKS
    for character in text:
        kind = category(character) if character >= "\u0300" else ""
        if kind in ("Mn", "Me", "Mc") or character in JOINING:
            marks += 1
            made.append(character if marks <= MOST_MARKS else _escaped(ord(character)))
        elif kind == "Cn" and character < PICTURES:
            # A mark of a newer Unicode, perhaps.
            made.append(_escaped(ord(character)))
        else:
            marks = 0
            made.append(character)
    return "".join(made)


def _escape(match: re.Match[str]) -> str:
    return _escaped(ord(match[0]))


def _escaped(code: int) -> str:
    if code < 0x100:
        return {9: "\\t", 10: "\\n", 13: "\\r"}.get(code, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
