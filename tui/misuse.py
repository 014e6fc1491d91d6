"""What is said to whoever used the command in a way that can't be."""

from __future__ import annotations


class Misuse(Exception):
    """The words of the command can't be used. The text is one line; `below` may show where, in lines fit for a terminal."""

    def __init__(self, text: str, below: str = "") -> None:
        super().__init__(text)
        self.below = below
