"""Keys that come in a burst are handled one after the other: what one does is done before the next is looked at.

Textual (8.2) hands a key to the focused widget's queue, and its bindings are looked up when it has bubbled back to the
app; meanwhile the next key is on its way, to a widget that has the focus only until the first key's binding runs. Over
SSH keys often come together (`/`, then a name), and would go astray.
"""

from __future__ import annotations

import asyncio

from textual import events
from textual.app import App
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

LONGEST_WAIT = 1.0
"""Seconds that a text field may take for one letter before the next key is handled all the same."""


class KeyScreen(Screen[None]):
    """A screen that hears of keys before anything else does."""

    # Textual's own paints the whole screen whenever the focus moves; the two widgets concerned do so for themselves.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    async def take_key(self, event: events.Key) -> bool:
        """Whether the screen has taken the key, so that nobody else shall have it."""
        return False


class OrderedKeys(App[None]):
    """An app whose keys are handled in order: bindings when a key arrives, letters for a text field with a wait for it."""

    async def on_event(self, event: events.Event) -> None:
        """Handle keys in order, and everything else as Textual does."""
        if not isinstance(event, events.Key) or event.is_forwarded or not self.is_running:
            await super().on_event(event)
            return
        screen, focused = self.screen, self.focused
        if isinstance(screen, KeyScreen) and await screen.take_key(event):
            return
        if focused is None or not focused.check_consume_key(event.key, event.character):
            if not await self._check_bindings(event.key):
                await super().on_event(event)
            return
        await super().on_event(event)
        typed = asyncio.Event()
        focused.call_later(typed.set)
        await asyncio.wait_for(typed.wait(), LONGEST_WAIT)
