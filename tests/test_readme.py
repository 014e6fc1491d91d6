"""The README says what the code has: the table of formats is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from inspector.formats import FORMATS

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


def test_the_picture_that_it_shows_is_there():
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README.read_text()):
        assert (README.parent / picture).is_file()


if __name__ == "__main__":
    text = README.read_text()
    README.write_text(
        re.sub(r"(<!-- formats:.*?-->\n).*?(<!-- end)", lambda match: match[1] + table() + match[2], text, flags=re.DOTALL)
    )
