"""The app: its screens, themes and keys, and what they all share."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import constants, events
from textual.app import SystemCommand
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.command import CommandPalette
from textual.driver import Driver
from textual.screen import Screen

from inspector.limits import DEFAULT, Limits
from tui import keys
from tui.changed_cells import ChangedCells
from tui.ordered_keys import OrderedKeys
from tui.reader import Reader
from tui.screens.explorer import ExplorerScreen
from tui.theme import SIXTEEN, THEMES, suiting_theme

if TYPE_CHECKING:
    from tui.head_start import HeadStart
    from tui.leaving import Leaving


class Palette(CommandPalette):
    """Textual's (8.2), where keys that come before it is there, and a terminal of few columns, would end the program."""

    DEFAULT_CSS = """
    Palette CommandList { min-width: 12; }
    """

    def _on_mount(self, event: events.Mount) -> None:
        if self not in self.app.screen_stack:
            # It is gone again.
            event.prevent_default()

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Go away, once."""
        return super().dismiss(result) if self.is_current else AwaitComplete()

    def _action_command_list(self, action: str) -> None:
        with suppress(KeyError):
            super()._action_command_list(action)


class TorchTUI(OrderedKeys, ChangedCells):
    """Explores the one of `paths`; of several, one is to be chosen, and without any a model file below this folder.

    `query` is the filter that is set from the start; `leaving` is told of every mistake that would end the program;
    `head_start` is the opening of the one path, where that has begun already.
    `error` is why no file can be shown, if that is so; whoever ran the app says it then.
    """

    TITLE = "torchtui"
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings(keys.PROGRAM)
    CSS = """
    Screen { background: $background; color: $foreground; layout: vertical; }
    """

    def __init__(
        self,
        *paths: str,
        query: str = "",
        limits: Limits = DEFAULT,
        leaving: Leaving | None = None,
        head_start: HeadStart | None = None,
    ) -> None:
        self.leaving = leaving
        self.head_start = head_start
        self.limits = limits
        # Without this Textual makes NO_COLOR shades of grey, which are colours to a terminal.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.animation_level = "none"
        self.reader = Reader()
        self.error = ""
        self.paths = paths if len(paths) > 1 else ()
        self.changed_keys = keys.read_keys(os.environ)
        self.explorer = ExplorerScreen(self.reader, paths[0] if len(paths) == 1 else "", self.changed_keys, query)
        self.set_keymap(self.changed_keys)
        for theme in THEMES:
            self.register_theme(theme)
        if self.no_color:
            self.theme = SIXTEEN.name
        elif "TEXTUAL_THEME" not in os.environ:
            self.theme = suiting_theme(self.console.color_system, os.environ)

    def get_driver_class(self) -> type[Driver]:
        """The terminal, where there is one that has to be left as it was."""
        if self.leaving is None or constants.DRIVER:
            return super().get_driver_class()
        from tui.terminal import Terminal

        return Terminal

    def _handle_exception(self, error: Exception) -> None:
        """A mistake of this program ends it at once. Textual would print its own account of it."""
        if self.leaving is not None:
            self.leaving.crash(error)
        super()._handle_exception(error)

    def get_default_screen(self) -> Screen[None]:
        """The explorer, under whatever else there is."""
        return self.explorer

    def on_mount(self) -> None:
        """Without one path, let one be chosen."""
        if not self.explorer.path:
            self.choose()

    def open(self, path: str) -> None:
        """Explore a file, in place of the one before."""
        self.error = ""
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.explorer.open(path)

    def choose(self, error: str = "") -> None:
        """Let a file be chosen; `error` says why the last one can't be shown."""
        from tui.screens.chooser import ChooserScreen

        self.error = error
        gc.enable()
        self.explorer.paint()
        self.push_screen(ChooserScreen(self.reader, str(Path.cwd()), error, self.changed_keys, self.paths))

    def write_to_terminal(self, text: str) -> None:
        """Hand the terminal something that is not drawn; from any thread."""
        if self._driver is not None:
            self._driver.write(text)

    async def action_quit(self) -> None:
        """End at once; nobody waits for a thread. Where no file could be opened, `error` says why."""
        self.reader.close()
        self.exit(return_code=2 if self.error else 0)

    def action_help(self) -> None:
        """All keys."""
        from tui.screens.pages import help_lines, text_page

        keys_now = self.changed_keys
        self.push_screen(text_page("torchtui: the keys", lambda width: help_lines(keys_now, width), keys_now))

    def action_command_palette(self) -> None:
        """Everything by name."""
        if not isinstance(self.screen, Palette):
            # No id: while one goes away the next may come, and Textual takes two of a name for a mistake.
            self.push_screen(Palette())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """The palette: what keys do on this screen, and the themes."""
        yield SystemCommand("Theme", "change the colours", self.action_change_theme)
        for table in (keys.FINDING, keys.COUNTING, keys.FOUND, keys.TAKING, keys.FILE, keys.WINDOW, keys.PROGRAM):
            for key in table.keys:
                name = key.hint or key.id.partition(".")[2].replace("_", " ")
                yield SystemCommand(name.capitalize(), key.text, partial(screen.run_action, key.action))
