"""How long it takes to tell what a filter leaves, for each letter that is typed: `python selecting.py FILE` prints JSON."""

from __future__ import annotations

import json
import statistics
import sys
import time

import inspector
from inspector.query import Query, QueryError
from tui.index import Index

FILTERS = (
    "*.up_proj.weight", "experts.77.gate", "down_proj numel>4", "dtype:bf16 and not up", "model.*.experts.1?.*", "/layers[.]\\d+/",
)  # fmt: skip


def nobody(part: float) -> None:
    """Nobody waits."""


index = Index(inspector.open(sys.argv[1]).root, nobody)
index.weigh()
taken = []
for text in FILTERS:
    for end in range(1, len(text) + 1):
        start = time.perf_counter()
        try:
            selection = index.select(Query(text[:end]), nobody)
        except QueryError:
            continue
        assert selection.totals[index.nodes[0]]
        taken.append(1000 * (time.perf_counter() - start))
print(json.dumps({"ms": statistics.median(taken), "worst ms": max(taken)}))
