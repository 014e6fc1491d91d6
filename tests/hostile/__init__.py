"""Suites against files that are hostile, broken or move: `python -m tests.hostile` runs their full forms."""
