"""A sentence that takes as many lines as it needs."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget


class Notice(Widget):
    """Shows `text`."""

    DEFAULT_CSS = """
    Notice { height: auto; }
    """

    def __init__(self, text: str = "", id: str | None = None) -> None:
        super().__init__(id=id)
        self.text = text

    def render(self) -> Text:
        """The sentence, which is no markup."""
        return Text(self.text)
