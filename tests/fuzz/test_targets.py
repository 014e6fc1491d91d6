"""The targets run on their seeds and on what fuzzing has found; finding more is `python -m tests.fuzz`."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.__main__ import seeds
from tests.fuzz.targets import TARGETS, once
from tests.hostile.mutants import mutate

FOUND: dict[str, list[bytes]] = {"texts": [b"numel>1i"], "archives": [b"[nyPK\5\6\0ZZ\xa3\xa3\x80"]}
"""By target what was found once, and mended."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_its_seeds_and_their_mutants(name: str) -> None:
    chance = random.Random(name)
    for seed in seeds(name):
        once(TARGETS[name], seed)
        for _ in range(40):
            once(TARGETS[name], mutate(seed, chance))
    for data in FOUND.get(name, []):
        once(TARGETS[name], data)
