"""`python -m tests.fuzz [TARGET ...] [--seconds N]`: each target in a process of its own; what fails is left in a file."""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

CODE = """
import atheris, sys
with atheris.instrument_imports(include=["inspector"]):
    from tests.fuzz.targets import TARGETS, once
target = TARGETS[sys.argv.pop(1)]
atheris.Setup(sys.argv, lambda data: once(target, data))
atheris.Fuzz()
"""


AT_ONCE = 2
"""Targets that run at the same time."""


def main() -> int:
    """Fuzzes; 0 if nothing was found, or there is no atheris for this Python."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target runs at most")
    parser.add_argument(
        "--seed", type=int, default=0, help="what chance begins with; another number is another run, 0 draws one"
    )
    parser.add_argument("--runs", type=int, default=-1, help="inputs that each target tries at most")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris; it has no wheel for every Python): nothing was fuzzed")
        return 0
    from tests.fuzz.targets import TARGETS

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(partial(fuzz, options=options), options.targets or TARGETS))
    return 1 if any(found) else 0


def fuzz(name: str, options: argparse.Namespace) -> bool:
    """Runs one target; whether it found something, which is said with where the input lies."""
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, seed in enumerate(seeds(name)):
        (corpus / str(number)).write_bytes(seed)
    limits = [f"-max_total_time={options.seconds}", f"-runs={options.runs}", f"-seed={options.seed}"]
    limits += ["-timeout=10", "-rss_limit_mb=1024", "-max_len=4096"]
    command = [sys.executable, "-W", "ignore", "-c", CODE, name, str(corpus), *limits, f"-artifact_prefix={corpus}-"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    said = run.stderr.splitlines()
    done = next((line for line in reversed(said) if line.startswith("Done")), "")
    print(f"{name:12} {'nothing found' if not run.returncode else 'FOUND'}  {done}", flush=True)
    if run.returncode:
        print("\n".join(said[-30:]), flush=True)
    return run.returncode != 0


def seeds(name: str) -> list[bytes]:
    """Honest beginnings."""
    from tests.hostile.canaries import SHAPES, legacy, tar, zip_of
    from tests.hostile.originals import originals

    whole = {kind: files[""] for kind, files in originals().items() if "" in files}
    bodies = [b"\x80\x04" + body + b"." for body, _ in SHAPES.values()]
    return {
        "pickles": [*bodies, whole["pickle"], whole["pickle 0"]],
        "archives": [whole["small zip"][4:], whole["npz"][4:]],
        "searches": [zip_of(body) for body in bodies[:8]] + [legacy(bodies[0]), tar(bodies[0]), whole["npy objects"]],
        "legacy": [whole["legacy"][15 + 5 + 4 :]],
        "tar": [whole["tar"]],
        "numpy": [b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }\n"],
        "gguf": [whole["gguf"][4:]],
        "onnx": [whole["onnx"][2:]],
        "safetensors": [whole["safetensors"][8 : 8 + int.from_bytes(whole["safetensors"][:8], "little")]],
        "json": [b'{"weight_map": {"a": "b", "a": "c"}, "x": [1, null, true, "\\u00e9"]}'],
        "texts": ["a\u202eb\x1b[31m é 日本 e\u0301".encode(), b"'*.weight' dtype:bf16 numel>1M", b"('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 3, None)"],
    }[name]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
