"""The panes of an opened file, which of them are to be seen, and the line at the bottom."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from inspector import Checkpoint
from tui import keys
from tui.index import Survey
from tui.known import Known
from tui.ordered_keys import KeyScreen
from tui.painting import Painting
from tui.reader import Reader
from tui.widgets.axis_bar import AxisBar
from tui.widgets.bottom_line import BottomLine
from tui.widgets.depth_view import DepthView
from tui.widgets.details import Details
from tui.widgets.heat_map import HeatMap
from tui.widgets.module_tree import ModuleTree
from tui.widgets.notice import Notice
from tui.widgets.one_line import OneLine
from tui.widgets.statistics import StatisticsPanel
from tui.widgets.title_line import TitleLine
from tui.widgets.tree_line import header_line
from tui.widgets.value_grid import ValueGrid

if TYPE_CHECKING:
    from inspector.nodes import Node
    from tui.app import TorchTUI
    from tui.widgets.prompt import Complete, Prompt, Purpose

SMALLEST = (50, 12)
"""Columns and rows below which nothing useful can be shown."""

NARROW = 100
"""Columns below which one half of the screen is shown at a time."""

HIGH = 30
"""Rows from which the statistics have more of them."""

STRIP = {False: 5, True: 7}
"""Rows of the statistics on a screen that is not `HIGH`, and on one that is."""

WHILE_READING = frozenset({"open_row", "open_file", "next_pane", "maximise", "leave"})
"""What this screen does while the file is still being read; moving and folding are the tree's."""

STILL_READING = "the file is still being read: until then one can move around in its beginning"

Pane = Literal["tree", "details", "grid"]

Entry = tuple[str, str, Callable[[], Awaitable[None] | None]]
"""A letter of a menu, the word for what it does, and that."""


class TreeHead(OneLine):
    """The heads of the tree's columns; before them where the cursor is, and the filter if there is one."""

    position = ""
    restriction = ""
    focused = False

    def line(self, width: int) -> Sequence[tuple[str, str]]:
        """The heads, for this width of the tree."""
        return header_line(width, self.position, self.restriction, self.focused)


class Workspace(Painting, KeyScreen):
    """The screen of one file: tree at the left, details and values at the right."""

    DEFAULT_CSS = """
    Workspace {
        layout: vertical;
        & #panes { height: 1fr; }
        & #left, & #right { width: 1fr; }
        & #right { border-left: vkey $panel; }
        & #right.-alone { border-left: none; }
        & .head, & AxisBar { background: $surface; }
        & ModuleTree, & ValueGrid, & HeatMap, & Details, & DepthView { height: 1fr; }
        & #panes.-narrow { layout: vertical; }
        & #right.-under { height: auto; border-left: none; }
        & #small { height: 1fr; content-align: center middle; text-align: center; display: none; }
        &.-small #panes, &.-small TitleLine, &.-small BottomLine { display: none; }
        &.-small #small { display: block; }
    }
    """
    BINDINGS = keys.bindings(keys.FINDING, keys.COUNTING, keys.FOUND, keys.TAKING, keys.FILE, keys.WINDOW)
    AUTO_FOCUS = ""

    def __init__(self, reader: Reader, path: str, changed_keys: Mapping[str, str]) -> None:
        super().__init__()
        self.changed_keys = changed_keys
        self.reader = reader
        self.path = path
        self.checkpoint: Checkpoint | None = None
        self.survey = Survey()
        self.known = Known()
        self.title_line = TitleLine()
        self.module_tree = ModuleTree()
        self.details = Details()
        self.statistics = StatisticsPanel()
        self.statistics_size = 0
        self.statistics_under_tree = False
        self.axis_bar = AxisBar()
        self.grid = ValueGrid()
        self.heat_map = HeatMap()
        self.heated = False
        self.depth_view = DepthView()
        self.deep = False
        self.small = Notice(id="small")
        self.bottom = BottomLine()
        self.tree_head = TreeHead(classes="head")
        self.details_head = OneLine(classes="head")
        self._prompt: Prompt | None = None
        self.pane: Pane = "tree"
        self.zoomed = False
        self.cell = ""
        self._menu: dict[str, Callable[[], Awaitable[None] | None]] = {}

    @property
    def program(self) -> TorchTUI:
        """The app, by its own type."""
        return cast("TorchTUI", self.app)

    @property
    def unfinished(self) -> bool:
        """Whether the tree is only the beginning of one that is still being read."""
        return self.checkpoint is None and self.module_tree.rows is not None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a file is being read one can look around in its beginning: all else waits for the whole."""
        return not self.unfinished or action in WHILE_READING

    @property
    def root(self) -> Node | None:
        """The root of the tree, once the file is open."""
        return None if self.checkpoint is None else self.checkpoint.root

    def compose(self) -> ComposeResult:
        """Title, panes, bottom line, and what stands in their place on a screen that is too small."""
        yield self.title_line
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield self.tree_head
                yield self.module_tree
            with Vertical(id="right"):
                yield self.details_head
                yield self.details
                yield self.depth_view
                yield self.statistics
                yield self.axis_bar
                yield self.grid
                yield self.heat_map
        yield self.small
        yield self.bottom

    def on_mount(self) -> None:
        """Show empty panes."""
        self.lay_out()
        self.go_to_pane("tree")

    def clear(self, path: str) -> None:
        """Show empty panes again, for another file."""
        self.path = path
        self.checkpoint = None
        self.survey = Survey()
        self.close_prompt()
        self.title_line.opening(path)
        self.module_tree.clear()
        self.details.show(lambda width: ())
        self.details_head.show(())
        self.grid.tensor = None
        self.go_to_pane("tree")

    # Which panes are to be seen

    @property
    def told(self) -> Widget:
        """What tells of the node under the cursor: its details, or, where it stands for several, those over depth."""
        return self.depth_view if self.deep else self.details

    @property
    def values(self) -> Widget:
        """What shows the values: the grid, or the heat map in its place."""
        return self.heat_map if self.heated else self.grid

    @property
    def panes(self) -> dict[Pane, Widget]:
        """The panes that can be gone to now, in the order of the tab key."""
        panes: dict[Pane, Widget] = {"tree": self.module_tree, "grid": self.values, "details": self.told}
        if self.grid.tensor is None:
            del panes["grid"]
        return panes

    def go_to_pane(self, pane: Pane) -> None:
        """Give a pane the keys, and show it; where it is not there, the tree."""
        panes = self.panes
        self.pane = pane if pane in panes else "tree"
        self.lay_out()
        self.set_focus(panes[self.pane])

    def lay_out(self) -> None:
        """Show what there is room for: all panes, or those of one side, or the pane that is maximised."""
        width, height = self.app.size
        small = width < SMALLEST[0] or height < SMALLEST[1]
        self.set_class(small, "-small")
        if small:
            needed = f"{SMALLEST[0]}x{SMALLEST[1]}"
            self.small.text = f"the terminal is too small ({width}x{height}); at least {needed} is needed"
            self.small.refresh()
            return
        if self.pane not in self.panes:
            self.pane = "tree"
        one_side = self.zoomed or width < NARROW
        has_values = self.grid.tensor is not None
        left, right = self.query_one("#left"), self.query_one("#right")
        left.display = not one_side or self.pane == "tree"
        # Of the right side, where there is room for the tree alone, the statistics can stand below that.
        under = width < NARROW and left.display and self.statistics_under_tree and not self.zoomed
        right.display = not one_side or self.pane != "tree" or under
        right.set_class(one_side, "-alone")
        right.set_class(under, "-under")
        self.query_one("#panes").set_class(under, "-narrow")
        shows_details = not (self.zoomed and self.pane == "grid") and not under
        self.details_head.display = shows_details
        self.details.display, self.depth_view.display = shows_details and not self.deep, shows_details and self.deep
        shows_values = has_values and not (self.zoomed and self.pane == "details") and not under
        self.axis_bar.display = shows_values
        self.grid.display, self.heat_map.display = shows_values and not self.heated, shows_values and self.heated
        # Not by a class: that would be a walk of the style sheet over all of the right side, at each tensor.
        self.details.styles.height = "auto" if shows_values else "1fr"
        self.details.styles.max_height = "40%" if shows_values else None
        rows = STRIP[height >= HIGH] if under else self.statistics_heights[self.statistics_size]
        self.statistics.display = rows > 0 and (under or (has_values and not self.zoomed))
        self.statistics.styles.height = rows

    @property
    def statistics_heights(self) -> tuple[int, ...]:
        """The rows that the statistics may have: some, half of the screen, none."""
        height = self.app.size.height
        return STRIP[height >= HIGH], height // 2, 0

    def on_resize(self) -> None:
        """Arrange the panes for the new size."""
        self.lay_out()

    def on_descendant_focus(self) -> None:
        """Mark the pane that has the keys, and show its hints."""
        for pane, widget in self.panes.items():
            if widget.has_focus:
                self.pane = pane
        self.mark_pane()

    def mark_pane(self) -> None:
        """Show which pane has the keys and what they do."""
        focused = self.focused
        self.tree_head.focused = focused is self.module_tree
        self.tree_head.refresh()
        self.details_head.set_class(focused is self.told, "-focused")
        tables = getattr(focused, "TABLES", ())
        if not self.unfinished:
            tables = (*tables, keys.FOUND, keys.FINDING, keys.TAKING, keys.COUNTING, keys.FILE)
        tables = (*tables, keys.WINDOW, keys.PROGRAM)
        self.bottom.aside(self.cell if focused is self.values else "")
        self.bottom.hint(keys.hints(tables, self.changed_keys, self.idle_keys))

    @property
    def idle_keys(self) -> set[str]:
        """The ids of keys that have nothing to show in this file."""
        if self.checkpoint is None:
            return {"file.problems", "file.texts"}
        held = {"file.problems": self.checkpoint.problems, "file.texts": self.checkpoint.texts}
        return {name for name, what in held.items() if not what}

    def catch_up(self) -> None:
        """Let the right side follow the cursor now, if it waits for it to rest."""

    def action_next_pane(self, step: int) -> None:
        """To the next pane."""
        self.catch_up()
        panes = list(self.panes)
        here = panes.index(self.pane) if self.pane in panes else 0
        self.go_to_pane(panes[(here + step) % len(panes)])

    def action_maximise(self) -> None:
        """The pane alone, or all of them again."""
        self.catch_up()
        self.zoomed = not self.zoomed
        self.lay_out()

    # The bottom line

    def menu(self, title: str, entries: Sequence[Entry]) -> None:
        """Show a menu of letters; the next key chooses."""
        self._menu = {letter: do for letter, _, do in entries}
        self.bottom.menu(title, [(letter, word) for letter, word, _ in entries if word])

    async def take_key(self, event: events.Key) -> bool:
        """A letter of the menu, if there is one; any other key but q closes it. A message goes at the next key."""
        menu, self._menu = self._menu, {}
        if self.prompt is None:
            self.bottom.say(STILL_READING if self.unfinished else "", "dim")
        if not menu:
            return False
        do = menu.get(event.character or event.key)
        if do is not None:
            doing = do()
            if doing is not None:
                await doing
        return do is not None or event.key != "q"

    async def ask(self, purpose: Purpose, label: str, text: str = "", complete: Complete | None = None) -> None:
        """Let the person type something; keys that come after this call go there."""
        if self._prompt is None:
            from tui.widgets.prompt import Prompt

            self._prompt = Prompt()
            await self.mount(self._prompt)
        self.bottom.display = False
        self._prompt.display = True
        self._prompt.ask(purpose, label, text, complete)

    @property
    def prompt(self) -> Prompt | None:
        """Where the person types, if anywhere."""
        return self._prompt if self._prompt is not None and self._prompt.display else None

    async def action_submit(self) -> None:
        """Take what is typed; where something is wrong with it, say so and let it be changed."""
        if self.prompt is not None:
            purpose, text = self.prompt.purpose, self.prompt.text
            wrong = await self.submit(purpose, text)
            if wrong is None:
                self.close_prompt()
            else:
                self.prompt.say(wrong, "error")

    async def submit(self, purpose: Purpose, text: str) -> str | None:
        """Do what was typed for; the answer is what is wrong with it, if anything is."""
        return None

    def close_prompt(self) -> None:
        """Take the prompt away, and give the keys back."""
        if self.prompt is not None:
            self.prompt.display = False
            self.bottom.display = True
            self.go_to_pane(self.pane)
