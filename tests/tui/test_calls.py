"""The page of what a load would call: each call with all that is known of it, and the way to where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from tests.hostile.canaries import CALL, name, text, zip_of
from tests.inspector.samples import saved
from tests.tui.conftest import exploring

VERDICT = "nothing in this file was run; "


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Two calls, the second of them in a member that torch.load does not read."""
    body = b"\x80\x02}(" + text("a") + b"K\x01" + text("model") + b"}" + text("hook") + CALL + b"su."
    path = tmp_path / "model.pt"
    path.write_bytes(zip_of(body, extra_pkl=b"\x80\x02" + name("os", "system") + text("\x1b[2Jls") + b"\x85R."))
    return path


async def test_a_call_shows_with_arguments_opcode_byte_member_and_place_and_leads_there(hostile: Path) -> None:
    async with exploring(hostile) as person:
        await person.press("x")
        await person.see(VERDICT + "loading it with pickle would call:")
        assert "evil.run('touch pwned',)  REDUCE at byte" in person.screen
        assert "of a/data.pkl for model.hook" in person.screen
        await person.press("j", "enter")
        assert person.row == "model.hook"


async def test_a_call_in_what_a_load_does_not_read_is_told_and_leads_nowhere(hostile: Path) -> None:
    async with exploring(hostile) as person:
        await person.press("x")
        await person.see("os.system('\\x1b[2Jls',)")
        assert "(torch.load does not read it)" in person.screen
        await person.press("j", "j", "enter")
        assert "stands nowhere in the tree" in person.bottom


async def test_a_file_of_data_alone_is_not_called_safe(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(saved(nn.Linear(2, 2).state_dict()))
    async with exploring(tmp_path / "model.pt") as person:
        await person.press("x")
        await person.see(VERDICT + "no calls outside plain data")
        assert "safe" not in person.screen
