"""The floor for anything made with Textual: the smallest app that shows a Tree between a Header and a Footer."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.widgets import Footer, Header, Tree


class Smallest(App[None]):
    BINDINGS = [("q", "quit", "Quit")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield Header()
        tree: Tree[None] = Tree("model")
        tree.root.expand()
        for number in range(100):
            tree.root.add_leaf(f"layer {number}")
        yield tree
        yield Footer()


if __name__ == "__main__":
    Smallest().run()
