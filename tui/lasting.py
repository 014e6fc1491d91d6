"""What is made once for an open file, and Python's garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """What is made within lives as long as the file is open: the collector need not look at it, now or later.

    Looking at a million objects would hold up every thread. Who lets go of them has to take them apart.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
