"""Fuzzing with atheris, one target for each parser: `python -m tests.fuzz` (60 s each; `--seconds` says otherwise)."""
