"""Forty names that would do something to a terminal, or to whoever reads it; `named` writes files that hold them."""

from __future__ import annotations

import base64

STEAL = base64.b64encode(b"rm -rf ~").decode()

NAMES: dict[str, str] = {
    "colours": "\x1b[38;5;201;5m",
    "a clear screen": "\x1b[2J\x1b[3J\x1b[H",
    "the clipboard": f"\x1b]52;c;{STEAL}\x07",
    "a title": "\x1b]0;pwned\x07",
    "a link": "\x1b]8;;https://example.org\x1b\\here\x1b]8;;\x1b\\",
    "a device string": "\x1bP$q q\x1b\\",
    "an application's command": "\x1b_Ga=T,f=24;AAAA\x1b\\",
    "a privacy message": "\x1b^hidden\x1b\\",
    "tmux's passing through": f"\x1bPtmux;\x1b\x1b]52;c;{STEAL}\x07\x1b\\",
    "a report of the cursor": "\x1b[6n\x1b[c\x1b[>c",
    "a reset": "\x1bc",
    "another character set": "\x1b(0qqq\x0e",
    "a sequence of eight bits": "\x9b38;5;201;5m",
    "a clipboard of eight bits": f"\x9d52;c;{STEAL}\x9c",
    "half a sequence": "\x1b[38;5",
    "an unended string": "\x1b]0;",
    "bells": "\x07\x07\x07",
    "backspaces": "safe\x08\x08\x08\x08evil",
    "a return": "evil\rsafe",
    "a line": "one\ntwo",
    "tabs and feeds": "a\tb\x0bc\x0cd",
    "a null": "a\x00b",
    "deletes": "a\x7f\x7fb",
    "the next line": "a\x85b",
    "an enquiry": "\x05\x06\x15",
    "right to left": "\u202egnp.tp",
    "embeddings": "\u202a\u202b\u202ca\u202d",
    "isolates": "\u2066a\u2067b\u2068c\u2069",
    "a mark of direction": "a\u200e\u200f\u061cb",
    "nothing of width": "a\u200b\u200c\u200d\u2060\ufeffb",
    "soft hyphens": "a\xad\xadb",
    "tags": "a\U000e0041\U000e0042\U000e007fb",
    "variations": "a\ufe0e\ufe0f\U000e0100b",
    "line separators": "a\u2028\u2029b",
    "half a character": "a\ud83db\udc80c",
    "marks": "e" + "\u0301" * 10_000,
    "markup": "[bold red]x[/bold red][@click=app.quit]y[/] $text [/]",
    "a path": "../../../../tmp/evil",
    "a megabyte": "long " * 200_000,
    "nothing at all": "",
}


def mark(label: str) -> str:
    """What a name begins with, so that it is found on a screen."""
    return f"n{list(NAMES).index(label):02}"
