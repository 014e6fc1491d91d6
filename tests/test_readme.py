"""The README says what the code has: the table of formats is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from inspector.formats import FORMATS
from tui import keys

FILTERS = {"*.bias", "type:Linear", "nan>0"}
"""What the table of keys names besides keys."""

README = Path(__file__).parent.parent / "README.md"


def table() -> str:
    """The table of formats as the README has to hold it: `python -m tests.test_readme` writes it there."""
    rows = "".join(f"| {row.name} | {' '.join(f'`{name}`' for name in row.files.split())} |\n" for row in FORMATS)
    return "| what | mostly named |\n| --- | --- |\n" + rows


def test_the_table_of_formats_is_that_of_the_code():
    text = README.read_text()
    found = re.search(r"<!-- formats:.*?-->\n(.*?)<!-- end of formats -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == table()


def test_every_key_that_it_names_is_one_and_no_table_of_the_explorer_is_left_out():
    (section,) = re.findall(r"## Keys\n(.*?)\n## ", README.read_text(), re.DOTALL)
    told = set(re.findall(r"`([^`]+)`", section.partition("Every key")[0])) | set(
        re.findall(r"space|enter|tab|PgDn|PgUp", section)
    )
    known = {name for table in keys.ALL for key in table.keys for name in keys.shown(key.keys)}
    assert {name.replace("space", "Space").replace("enter", "⏎").replace("tab", "Tab") for name in told} - known <= FILTERS
    explorer = (keys.FOLDING, keys.FINDING, keys.COUNTING, keys.FOUND, keys.TAKING, keys.FILE)
    first = {keys.shown(key.keys)[0] for table in explorer for key in table.keys}
    assert first - {"Space", "⏎"} <= told


def test_the_picture_that_it_shows_is_there():
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README.read_text()):
        assert (README.parent / picture).is_file()


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(
        re.sub(r"(<!-- formats:.*?-->\n).*?(<!-- end)", lambda match: match[1] + table() + match[2], text, flags=re.DOTALL)
    )
