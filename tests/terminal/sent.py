"""What a program sent to its terminal, byte by byte: its own sequences, text that can be seen, and what is neither."""

from __future__ import annotations

import re

from inspector.errors import visible

OWN = re.compile(
    # Colours and places of what is drawn; modes; kitty's keyboard; questions about modes; the clipboard; the mouse's shape;
    # the end of a string.
    r"\x1b\[[0-9;]*[mHG]|\x1b\[\?[0-9;]+[hl]|\x1b\[[<>][0-9]*u|\x1b\[\?[0-9]+\$p|\x1b\]52;c;[A-Za-z0-9+/=]*\x07"
    r"|\x1b\]22;[a-z]*\x07|\x1b\\"
)
BELOW = re.compile(r"\r?\n|\r\x1b\[K|\r")
"""What is written besides where the shell writes."""


def strange(raw: bytes) -> list[str]:
    """What is neither, each with some of what stands before and behind it."""
    found: list[str] = []
    drawn = False
    for part in re.split(r"(\x1b\[\?1049[hl])", raw.decode("utf-8", "surrogateescape")):
        drawn = part.endswith("h") if part.startswith("\x1b[?1049") else drawn
        text = OWN.sub("", part)
        if not drawn:
            text = BELOW.sub("", text)
        if (shown := visible(text)) != text:
            at = next(at for at, (one, other) in enumerate(zip(text, shown, strict=False)) if one != other)
            found.append(ascii(text[max(0, at - 40) : at + 40]))
    return found
