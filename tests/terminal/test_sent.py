"""What tells the bytes of a name from the program's own; `python -m tests.hostile names` walks over all screens with it."""

from __future__ import annotations

import pytest

from tests.terminal.sent import strange


@pytest.mark.parametrize(
    "raw",
    [b"\x1b[6n", b"\x1b]0;title\x07", b"\x1bP1$r\x1b\\", b"\xc2\x9b5m", b"\x9b5m", b"a\nb", b"a\rb", "\u202e".encode(), b"\x7f", "a\xad".encode()],
)  # fmt: skip
def test_what_is_not_the_programs_own_is_noticed(raw: bytes) -> None:
    own = b"\x1b[?1049h\x1b[2;5H\x1b[38;2;1;2;3mweight \xe2\x96\xb8\x1b[0m"
    assert strange(own) == []
    assert len(strange(own + raw + own)) == 1
