"""What a person has set once for all: TOML files in the folder `torchtui` where programs keep their settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError, visible
from inspector.limits import NAMES, Limits

LIMITS = "limits.toml"

_NUMBER = re.compile(r"([0-9]{1,18})([KMGT]?)", re.ASCII)

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def read(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """What the file of this name says; nothing if there is none. Raises `InspectorError` for one that can't be read."""
    folder = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    file = Path(folder) / "torchtui" / name
    if not file.is_file():
        return {}
    # Only who has such a file pays for the import.
    import tomllib

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InspectorError(f"{visible(str(file))} can't be read: {error}") from None


def limits(given: Sequence[str], environ: Mapping[str, str]) -> Limits:
    """The limits with those changed that `limits.toml` names (`memo = "20M"`), and those `given` as `NAME=VALUE`.

    Raises `InspectorError` for what is no limit.
    """
    changed = {
        name: _number(f"{name} = {value!r} in {LIMITS}", name, value) for name, value in read(LIMITS, environ).items()
    }
    for text in given:
        name, _, value = text.partition("=")
        changed[name] = _number(f"--limit {text}", name, value)
    return Limits(**changed)


def _number(said: str, name: str, value: object) -> int:
    match = _NUMBER.fullmatch(str(value))
    if name not in NAMES or match is None:
        raise InspectorError(f"{said} is no limit: write NAME=VALUE, such as memo=20M, of {', '.join(NAMES)}")
    return int(match[1]) << _UNITS[match[2]]
