"""How fast and how small, measured on whole processes: `python -m tests.benchmarks`."""
