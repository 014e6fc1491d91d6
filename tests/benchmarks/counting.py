"""Counting measured from within one process: `python counting.py WHAT FILE`, which prints its figures as JSON.

every        seconds for the statistics of all tensors of a file, once the helpers are there: the fastest of three
one          the same for its tensor of 64 MiB, in a process that has read values before, and peak memory in MB
sum          seconds for numpy.sum over the same bytes in memory, as numbers of the tensors' width: the fastest of three
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

import inspector
from inspector.nodes import Tensor
from inspector.statistics import Statistics
from inspector.statistics.crew import Crew, helpers_for
from inspector.statistics.scan import scan

MIB = 1 << 20


def every(path: str) -> dict[str, float]:
    with inspector.open(path) as checkpoint:
        tensors = list(checkpoint.tensors())
        with Crew(checkpoint, helpers_for(tensors)) as crew:
            times = []
            for _ in range(4):
                # What a helper may still do of the round before is not part of this one.
                time.sleep(0.2)
                start = time.perf_counter()
                for _, result in crew.count(tensors):
                    assert isinstance(result, Statistics)
                times.append(time.perf_counter() - start)
        # The first one waits for the helpers to start.
        return {"seconds": min(times[1:])}


def one(path: str) -> dict[str, float]:
    with inspector.open(path) as checkpoint:
        tensors = list(checkpoint.tensors())
        scan(min(tensors, key=lambda tensor: tensor.nbytes))
        large = next(tensor for tensor in tensors if tensor.nbytes == 64 * MIB)
        start = time.perf_counter()
        scan(large)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}


def total(path: str) -> dict[str, float]:
    with inspector.open(path) as checkpoint:
        arrays = [_bits(tensor) for tensor in checkpoint.tensors()]
        times = []
        for _ in range(3):
            start = time.perf_counter()
            for array in arrays:
                array.sum()
            times.append(time.perf_counter() - start)
        return {"seconds": min(times)}


def _bits(tensor: Tensor) -> np.ndarray:
    """The values; numpy sums of 16 bits only integers at the speed of memory."""
    values = tensor.numpy()
    return values.view(np.uint16) if values.itemsize == 2 else values


if __name__ == "__main__":
    print(json.dumps({"every": every, "one": one, "sum": total}[sys.argv[1]](sys.argv[2])))
