"""The key tables, and a person's own keys."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.tui.conftest import exploring
from tui import keys


def test_every_key_has_an_id_of_its_own():
    counted = Counter(key.id for table in keys.ALL for key in table.keys)
    assert [name for name, count in counted.items() if count > 1] == []


def test_no_table_gives_a_key_to_two_things():
    for table in keys.ALL:
        counted = Counter(key for row in table.keys for key in row.keys.split(","))
        assert [key for key, count in counted.items() if count > 1] == [], table.title


@pytest.mark.parametrize(
    "tables",
    [
        (keys.MOVING, keys.FOLDING, keys.FINDING, keys.FOUND, keys.TAKING, keys.FILE, keys.WINDOW, keys.PROGRAM),
        (keys.VALUES, keys.FINDING, keys.FOUND, keys.TAKING, keys.FILE, keys.WINDOW, keys.PROGRAM),
        (keys.READING, keys.FINDING, keys.FOUND, keys.TAKING, keys.FILE, keys.WINDOW, keys.PROGRAM),
        (keys.LISTING, keys.CHOOSING, keys.PROGRAM),
        (keys.LISTING, keys.CLOSING, keys.PROGRAM),
        (keys.READING, keys.TEXTS, keys.CLOSING, keys.PROGRAM),
    ],
)
def test_no_pane_hides_a_key_of_its_screen(tables: tuple[keys.Table, ...]):
    counted = Counter(key for table in tables for row in table.keys for key in row.keys.split(","))
    assert [key for key, count in counted.items() if count > 1] == []


async def test_help_tells_every_key(tutorial: Path):
    async with exploring(tutorial / "model.pt", size=(120, 40)) as person:
        await person.press("question_mark")
        page = person.app.screen.body.text
        for table in keys.ALL:
            assert table.title in page
            for key in table.keys:
                assert key.text in page
                assert key.id in page
                assert all(shown in page for shown in keys.shown(key.keys))


async def test_a_person_can_change_keys(tutorial: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "torchtui").mkdir()
    (tmp_path / "torchtui" / "keys.toml").write_text('"tree.down" = "d,down"\n"find.search" = "s"\nunknown = "x"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    async with exploring(tutorial / "model.pt") as person:
        await person.press("d", "down", "j")
        assert person.row == "fc1.weight"
        assert "s search" in person.bottom
        await person.press("s")
        await person.see("/")
        assert person.focused == "TextField"


async def test_the_palette_has_also_what_no_hint_tells(tutorial: Path):
    async with exploring(tutorial / "model.pt", size=(120, 40)) as person:
        await person.press("ctrl+p", *"calls")
        await person.see("what really loading it would call")
        await person.press("enter", "enter")
        await person.see("in this file was run")
