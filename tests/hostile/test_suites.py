"""The suites in their quick form, each in a process that has no torch in it; `python -m tests.hostile` is the full form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.suites import SUITES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("suite", SUITES)
def test_every_case_ends_as_it_should(suite: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "tests.hostile", suite, "--quick"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
