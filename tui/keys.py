"""The key tables: every key is a row here, and from these rows come the bindings, the footer and the help screen."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from textual.binding import Binding, BindingType

from tui import settings


class Key(NamedTuple):
    """One thing that keys do.

    `id` is what a person's own key map names it by; `keys` are its keys, with commas between; `action` is Textual's;
    `text` says on the help screen what it does; `hint` is its word in the footer, empty for what stands only in help.
    """

    id: str
    keys: str
    action: str
    text: str
    hint: str = ""


class Table(NamedTuple):
    """Keys of one purpose: `title` is what a person wants to do."""

    title: str
    keys: tuple[Key, ...]


MOVING = Table(
    "Move through the tree",
    (
        Key("tree.down", "j,down", "move(1)", "next row"),
        Key("tree.up", "k,up", "move(-1)", "previous row"),
        Key("tree.in", "l,right", "enter_row", "expand; if it is expanded, to its first child"),
        Key("tree.out", "h,left", "leave_row", "collapse; if it is collapsed, to its parent"),
        Key("tree.next_sibling", "J", "sibling(1)", "next sibling"),
        Key("tree.previous_sibling", "K", "sibling(-1)", "previous sibling"),
        Key("tree.parent", "H", "parent", "parent"),
        Key("tree.half_down", "ctrl+d", "page(0.5)", "half a page down"),
        Key("tree.half_up", "ctrl+u", "page(-0.5)", "half a page up"),
        Key("tree.page_down", "pagedown,ctrl+f", "page(1)", "a page down"),
        Key("tree.page_up", "pageup,ctrl+b", "page(-1)", "a page up"),
        Key("tree.first", "g,home", "first", "first row"),
        Key("tree.last", "G,end", "last", "last row"),
    ),
)

FOLDING = Table(
    "Expand and collapse",
    (
        Key("tree.toggle", "space", "fold", "expand or collapse"),
        Key("tree.open", "enter", "screen.open_row", "the same; on a tensor, to its values", "open"),
        Key("tree.expand_siblings", "e", "expand_siblings", "expand this row and its siblings"),
        Key("tree.expand_all", "E", "expand_all", "expand all below"),
        Key("tree.collapse_siblings", "c", "collapse_siblings", "collapse this row and its siblings"),
        Key("tree.stack", "D", "screen.stack", "repeated layers in one row, and their parameters over depth; and back"),
        Key("tree.collapse_all", "C", "collapse_all", "collapse all below"),
    ),
)

FINDING = Table(
    "Find",
    (
        Key("find.search", "/", "search", "search in the names, as you type (a capital letter makes case count)", "search"),
        Key("find.next", "n", "match(1)", "next match; next finding"),
        Key("find.previous", "N", "match(-1)", "previous match; previous finding"),
        Key("find.filter", "f", "filter", "show only what matches: a name, *.weight, type:Linear, nan>0", "filter"),
        Key("find.next_tensor", "]", "tensor(1)", "next tensor"),
        Key("find.previous_tensor", "[", "tensor(-1)", "previous tensor"),
        Key("find.goto", ":", "goto", "go to a name; among values, to an index", "go to"),
    ),
)

COUNTING = Table(
    "Look at statistics",
    (
        Key("count.show", "s", "statistics", "the statistics: some, more, none", "statistics"),
        Key(
            "count.health",
            "S",
            "health",
            "the health of the whole file (also :health); then the list of what is found",
            "health",
        ),
        Key("count.summaries", "m", "summaries", "minimum, maximum, μ and σ of each tensor in the tree; and back"),
        Key("count.heat", "v", "heat", "heat map in place of the values, and back", "heat map"),
        Key("count.spectrum", "u", "spectrum", "singular values of the matrix, its effective rank and condition; and back"),
        Key("count.log", "b", "log", "the bars of the histogram by counts, or by their logarithms"),
    ),
)

TAKING = Table(
    "Copy, print, write",
    (
        Key("take.copy", "y", "copy", "copy; the next letter says what, and a menu says which letter is what", "copy"),
        Key("take.print", "p", "print", "print to the terminal itself, below what was there before", "print"),
        Key("take.write", "w", "write", "write the values to a file", "write"),
    ),
)

FOUND = Table(
    "What only some files have",
    (
        Key("file.problems", "!", "problems", "what is wrong with the file, and where", "problems"),
        Key("file.texts", "T", "texts", "the source code that it carries: this layer's, or all of it", "texts"),
    ),
)

FILE = Table(
    "The file as a whole",
    (
        Key("file.metadata", "i", "metadata", "what it says about itself", "metadata"),
        Key("file.calls", "x", "calls", "what really loading it would call; nothing is run"),
        Key("file.reload", "r", "reload", "read it again"),
        Key("file.open", "o", "open_file", "open another one"),
    ),
)

WINDOW = Table(
    "The window",
    (
        Key("window.next_pane", "tab", "next_pane(1)", "next pane", "pane"),
        Key("window.previous_pane", "shift+tab", "next_pane(-1)", "previous pane"),
        Key("window.maximise", "z", "maximise", "the pane alone, and back", "zoom"),
        Key("window.leave", "escape", "leave", "close the prompt; drop the filter; back to the tree"),
        Key("window.help", "?", "app.help", "this page, and back", "help"),
    ),
)

PROGRAM = Table(
    "The program",
    (
        Key("program.quit", "q,ctrl+c", "quit", "quit", "quit"),
        Key("program.suspend", "ctrl+z", "suspend_process", "suspend; fg brings it back"),
        Key("program.redraw", "ctrl+l", "redraw", "draw the screen again, where something else wrote over it"),
        Key("program.palette", "ctrl+p", "command_palette", "everything by name, and the colour themes"),
    ),
)

VALUES = Table(
    "Look at values",
    (
        Key("grid.down", "j,down", "move(1, 0)", "next row"),
        Key("grid.up", "k,up", "move(-1, 0)", "previous row"),
        Key("grid.right", "l,right", "move(0, 1)", "to the right"),
        Key("grid.left", "h,left", "move(0, -1)", "to the left"),
        Key("grid.half_down", "ctrl+d", "leaf(0.5)", "half a page down"),
        Key("grid.half_up", "ctrl+u", "leaf(-0.5)", "half a page up"),
        Key("grid.page_down", "pagedown,ctrl+f", "leaf(1)", "a page down"),
        Key("grid.page_up", "pageup,ctrl+b", "leaf(-1)", "a page up"),
        Key("grid.page_right", "L", "leaf_across(1)", "a page to the right"),
        Key("grid.page_left", "H", "leaf_across(-1)", "a page to the left"),
        Key("grid.first_row", "g", "row(False)", "first row"),
        Key("grid.last_row", "G", "row(True)", "last row"),
        Key("grid.first_column", "0,home", "column(False)", "start of the row"),
        Key("grid.last_column", "$,end", "column(True)", "end of the row"),
        Key("grid.step", ">", "step(1)", "next place along the axis that steps", "step"),
        Key("grid.step_back", "<", "step(-1)", "previous place along it"),
        Key("grid.axes", "a", "axes", "choose the axes: which are shown, which one steps", "axes"),
        Key("grid.transpose", "t", "transpose", "rows become columns", "transpose"),
        Key("grid.more_digits", "+,=", "digits(1)", "one digit more", "digits"),
        Key("grid.fewer_digits", "-", "digits(-1)", "one digit fewer"),
        Key("grid.colour", "c", "colour", "colours around zero: blue below, red above", "colour"),
        Key("grid.raw", "d", "raw", "quantised tensors: the stored integers, or the numbers they stand for"),
    ),
)

HEAT = Table(
    "Read a heat map",
    (
        Key("heat.down", "j,down", "move(1, 0)", "next row of cells; of kernels"),
        Key("heat.up", "k,up", "move(-1, 0)", "previous row"),
        Key("heat.right", "l,right", "move(0, 1)", "to the right"),
        Key("heat.left", "h,left", "move(0, -1)", "to the left"),
        Key("heat.half_down", "ctrl+d,pagedown", "move(10, 0)", "ten rows down"),
        Key("heat.half_up", "ctrl+u,pageup", "move(-10, 0)", "ten rows up"),
        Key("heat.far_right", "L", "move(0, 10)", "ten to the right"),
        Key("heat.far_left", "H", "move(0, -10)", "ten to the left"),
        Key("heat.pick", "enter", "pick", "to the values of the cell", "values"),
        Key("heat.quantity", "V", "quantity", "largest magnitude, mean, or how many are NaN or Inf", "quantity"),
        Key("heat.close", "space", "close", "a point for each element around the cursor, and back", "close"),
        Key("heat.step", ">", "screen.turn('1')", "next place along the axis that steps", "step"),
        Key("heat.step_back", "<", "screen.turn('-1')", "previous place along it"),
        Key("heat.transpose", "t", "screen.turn('transpose')", "rows become columns"),
    ),
)

AXES = Table(
    "Choose the axes of the page",
    (
        Key("axes.next", "l,right", "choose(1)", "next axis", "axis"),
        Key("axes.previous", "h,left", "choose(-1)", "previous axis"),
        Key("axes.step", "k,up,>", "step(1)", "one place further along it", "step"),
        Key("axes.step_back", "j,down,<", "step(-1)", "one place back"),
        Key("axes.rows", "r", "rows", "make it the rows", "rows"),
        Key("axes.columns", "c", "columns", "make it the columns", "columns"),
        Key("axes.wrap", "w", "wrap", "show it alone, wrapped into rows", "alone"),
        Key("axes.done", "enter,escape,a", "done", "back to the values", "done"),
    ),
)

TYPING = Table(
    "Type into the line at the bottom",
    (
        Key("typing.complete", "tab,right", "cursor_right", "accept the completion"),
        Key("typing.submit", "enter", "screen.submit", "done"),
        Key("typing.cancel", "escape", "screen.leave", "close it, and undo what it did"),
    ),
)

READING = Table(
    "Read a page of text",
    (
        Key("text.down", "j,down", "move(1)", "a line down"),
        Key("text.up", "k,up", "move(-1)", "a line up"),
        Key("text.right", "l,right", "shift(4)", "to the right"),
        Key("text.left", "h,left", "shift(-4)", "to the left"),
        Key("text.half_down", "ctrl+d", "page(0.5)", "half a page down"),
        Key("text.half_up", "ctrl+u", "page(-0.5)", "half a page up"),
        Key("text.page_down", "pagedown,ctrl+f,space", "page(1)", "a page down", "page down"),
        Key("text.page_up", "pageup,ctrl+b", "page(-1)", "a page up", "page up"),
        Key("text.first", "g,home", "first", "first line"),
        Key("text.last", "G,end", "last", "last line"),
    ),
)

CLOSING = Table(
    "Leave a page",
    (Key("page.close", "escape,?,i,x,!,S", "close", "back to where you were", "back"),),
)

TEXTS = Table(
    "Read a text that the file carries",
    (
        Key("texts.copy", "y", "copy", "copy it", "copy"),
        Key("texts.all", "T", "all", "all texts of the file", "all texts"),
    ),
)

LISTING = Table(
    "Choose from a list",
    (
        Key("list.down", "j,down", "move(1)", "next line"),
        Key("list.up", "k,up", "move(-1)", "previous line"),
        Key("list.half_down", "ctrl+d", "page(0.5)", "half a page down"),
        Key("list.half_up", "ctrl+u", "page(-0.5)", "half a page up"),
        Key("list.page_down", "pagedown,ctrl+f", "page(1)", "a page down"),
        Key("list.page_up", "pageup,ctrl+b", "page(-1)", "a page up"),
        Key("list.first", "g,home", "first", "first line"),
        Key("list.last", "G,end", "last", "last line"),
        Key("list.open", "enter,l,right", "open", "open it", "open"),
    ),
)

CHOOSING = Table(
    "Find a file",
    (
        Key("choose.filter", "/,f", "filter", "show only paths that hold what you type", "filter"),
        Key("choose.path", "o,:", "path", "open a path", "path"),
        Key("choose.leave", "escape", "leave", "show all again; back to the file that is open", "back"),
        Key("choose.help", "?", "app.help", "all keys", "help"),
    ),
)

ALL = (
    MOVING,
    FOLDING,
    FINDING,
    COUNTING,
    VALUES,
    HEAT,
    AXES,
    TAKING,
    FILE,
    FOUND,
    TYPING,
    WINDOW,
    READING,
    TEXTS,
    LISTING,
    CHOOSING,
    CLOSING,
    PROGRAM,
)
"""All tables, in the order of the help page."""

SHOWN = {
    "up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home",
    "end": "End", "enter": "⏎", "escape": "Esc", "tab": "Tab", "shift+tab": "Shift+Tab", "space": "Space",
}  # fmt: skip
"""How keys are written where their name is not what stands on them."""


def read_keys(environ: Mapping[str, str]) -> dict[str, str]:
    """A person's own keys by id, from `torchtui/keys.toml` in the configuration folder: `"tree.down" = "j,n"`."""
    known = {key.id for table in ALL for key in table.keys}
    said = settings.read("keys.toml", environ)
    return {name: keys for name, keys in said.items() if name in known and isinstance(keys, str) and keys}


def bindings(*tables: Table) -> list[BindingType]:
    """Textual's bindings for the keys of these tables."""
    return [Binding(key.keys, key.action, key.text, show=False, id=key.id) for table in tables for key in table.keys]


def shown(keys: str) -> list[str]:
    """The keys of a row as a person reads them: `j`, `↓`."""
    return [SHOWN.get(key, key) for key in keys.split(",")]


def hints(tables: Iterable[Table], changed: Mapping[str, str], idle: Container[str] = ()) -> list[tuple[str, str]]:
    """Key and word of each row that has a hint; `changed` is a person's own key map, `idle` keys have nothing to do."""
    rows = (key for table in tables for key in table.keys if key.hint and key.id not in idle)
    return [(shown(changed.get(key.id, key.keys))[0], key.hint) for key in rows]
