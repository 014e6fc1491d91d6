"""Whatever Python's own unpickler calls or imports while it reads a pickle, a scan has noted before it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from inspector.pickles.frames import crossing
from inspector.pickles.running import run

ROOT = Path(__file__).parents[2]

COMPARE = """
import random, resource, sys
from collections import Counter
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
from inspector.pickles.running import run
from inspector.pickles.objects import Global
from tests.hostile.programs import harm, program
calls = 0
for seed in range(int(sys.argv[1]), int(sys.argv[2])):
    data = program(random.Random(seed))
    called, imported = harm(data)
    ours = run(data, builders={}, beyond=True)
    noted = Counter(call.callable.path for call in ours.calls if type(call.callable) is Global)
    missed = Counter(called) - noted
    assert not missed, (seed, data, missed)
    assert imported <= {name.path for name in ours.names}, (seed, data, imported)
    calls += len(called)
print(calls)
"""


def test_every_call_of_random_pickles_is_noted() -> None:
    """Python's unpickler runs in a process of its own: an index of the memo can make it take all memory."""
    command = [sys.executable, "-W", "ignore", "-c", COMPARE, "0", "8000"]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    assert int(made.stdout) > 3000


EVIL = b"cevil\nrun\n)R"


@pytest.mark.parametrize(
    "before",
    [
        b"I0x1F\n0", b"I017\n0", b"I\n0", b"I1\x00junk\n0", b"L0x10L\n0", b"F1.5\x00z\n0", b"]}b0", b"](e0", b"](u0", b"C\x01b\x980",
        b"]K\x01aK\x00K\x02s0", b"cos\nenviron\nX\x01\x00\x00\x00aK\x01s0", b"csys\npath\nK\x01a0", b"N(\x900", b"Np7\x00x\n0",
    ],
)  # fmt: skip
def test_a_call_can_t_hide_behind_what_only_c_takes(before: bytes) -> None:
    found = run(before + EVIL + b".")
    assert found.broken is None
    assert Counter(call.callable.path for call in found.calls)["evil.run"] == 1


def test_an_opcode_that_crosses_the_end_of_its_frame_is_told() -> None:
    import pickle

    for thing in ([1, "a", {"b": (2.5, None)}], list(range(3000)), "x" * 100_000, [b"y" * 70_000, "z"]):
        for protocol in (4, 5):
            assert crossing(pickle.dumps(thing, protocol)) is None
    # Read from a file, Python drops the X and takes the two bytes behind the frame for a length of their own.
    assert crossing(b"\x80\x04\x95\x03\0\0\0\0\0\0\0X\x02\0" + b"\0\0ab.") == 11
    assert crossing(b"\x80\x04\x95\x05\0\0\0\0\0\0\0cos\nsystem\n.") == 11
