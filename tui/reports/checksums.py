"""Whether a file's values are those that were written: the report of `--verify`."""

from __future__ import annotations

from collections.abc import Callable

from inspector import Checkpoint
from inspector.errors import visible
from tui.figures import plural


def write_verified(checkpoint: Checkpoint, write: Callable[[str], object] | None) -> int:
    """Compares all values with their checksums; what is wrong joins the file's problems, and is written if it is asked.

    The exit status: 1 if something is wrong, else 0.
    """
    verified = checkpoint.verify()
    checkpoint.problems.extend(problem for problem in verified.problems if problem not in checkpoint.problems)
    if write is not None:
        for problem in checkpoint.problems:
            write(f"! {visible(problem)}\n")
        right = "" if verified.problems else ", all as they were written" if verified.checked else ""
        write(f"{plural(verified.checked, 'storage')} with a checksum{right}; {verified.unchecked:,} without one\n")
    return 1 if verified.problems else 0
