"""`python -m tests.fuzz [TARGET ...] [--seconds N | --runs N]`: each in a process of its own; what fails is left in a file.

With `--runs` and `--seed` the same inputs are tried on every machine, and one that can't try them in time has failed.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
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

LONGEST = 4096
"""Bytes of an input."""

DEARER = {"searches": 3}
"""Targets of which an input takes so many times as long as those of the others, and that try fewer for it."""


def main() -> int:
    """Fuzzes; 0 if nothing was found and all was tried, or there is no atheris for this Python."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="how long each target runs at most")
    parser.add_argument(
        "--seed", type=int, default=0, help="what chance begins with; another number is another run, 0 draws one"
    )
    parser.add_argument(
        "--runs", type=int, default=0, help="inputs that each target tries, whatever that takes below --seconds"
    )
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed (pip install atheris; it has no wheel for every Python): nothing was fuzzed")
        return 0
    from tests.fuzz.targets import TARGETS

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(partial(fuzz, options=options), options.targets or TARGETS))
    return 1 if any(found) else 0


def fuzz(name: str, options: argparse.Namespace) -> bool:
    """Runs one target; whether it found something, which is said with where the input lies, or was too slow."""
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, seed in enumerate(seeds(name)):
        (corpus / str(number)).write_bytes(seed)
    runs = options.runs // DEARER.get(name, 1)
    limits = [f"-max_total_time={options.seconds}", f"-runs={runs or -1}", f"-seed={options.seed}"]
    limits += ["-timeout=10", "-rss_limit_mb=1024", f"-max_len={LONGEST}"]
    command = [sys.executable, "-W", "ignore", "-c", CODE, name, str(corpus), *limits, f"-artifact_prefix={corpus}-"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    said = run.stderr.splitlines()
    done = next((line for line in reversed(said) if line.startswith("Done")), "")
    tried = re.match(r"Done (\d+) runs", done)
    late = not run.returncode and (tried is None or int(tried[1]) < runs)
    print(f"{name:12} {'FOUND' if run.returncode else 'TOO SLOW' if late else 'nothing found'}  {done}", flush=True)
    if late:
        print(f"{name} should have tried {runs} inputs within {options.seconds} s", flush=True)
    if run.returncode:
        print("\n".join(said[-30:]), flush=True)
    return late or run.returncode != 0


def seeds(name: str) -> list[bytes]:
    """Honest beginnings."""
    from tests.hostile.canaries import SHAPES, legacy, tar, zip_of
    from tests.hostile.originals import originals

    whole = {kind: files[""] for kind, files in originals().items() if "" in files}
    bodies = [b"\x80\x04" + body + b"." for body, _ in SHAPES.values()]
    return {
        "pickles": [*bodies, whole["pickle"], whole["pickle 0"]],
        "archives": [whole["small zip"][4:], whole["npz"][4:]],
        "cut zip": [without_directory(whole["small zip"])[4:]],
        "cut archives": [without_directory(whole[kind])[4:] for kind in ("npz", "torchscript")],
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


def without_directory(archive: bytes) -> bytes:
    """A zip, as long as a fuzzer makes its inputs, that ends before its directory."""
    return archive[: min(archive.index(b"PK\1\2"), LONGEST)]


if __name__ == "__main__":
    sys.exit(main())
