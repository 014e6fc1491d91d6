"""Lets the comparisons of `samples` tell what differs, as those of a test do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.inspector.samples", "tests.inspector.modules", "tests.inspector.pickled")
