"""What a file, or a JSON file beside it, says of how a model is quantised or adapted."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from inspector.errors import InspectorError, LimitReached, brief
from inspector.json_texts import parsed
from inspector.sources import LocalFile, is_folder

LONGEST = 1 << 24
"""Bytes of a file of settings."""


class Settings:
    """Settings by the names of the files in which they usually stand (`config.json`, `adapter_config.json`)."""

    def __init__(self, path: str, metadata: dict[str, Any]) -> None:
        self.path = path
        self.metadata = metadata
        self.read = cache(self._read)

    def quantization(self) -> dict[str, Any]:
        """How the model was quantised, as transformers, GPTQ and AWQ write it; empty if nothing says."""
        config = self.read("config.json").get("quantization_config")
        if isinstance(config, dict):
            return config
        return self.read("quantize_config.json") or self.read("quant_config.json")

    def _read(self, name: str) -> dict[str, Any]:
        found = self.metadata.get(name)
        if found is None and self.path and not is_folder(self.path):
            with suppress(InspectorError):
                found = read(Path(self.path).parent / name)
        return found if isinstance(found, dict) else {}


def read(path: Path) -> Any:
    """What a JSON file says; a text if it is none. Raises `InspectorError`, `LimitReached` for one that is too long."""
    file = LocalFile(str(path))
    try:
        if file.size > LONGEST:
            raise LimitReached(f"{brief(path.name)} has {file.size} bytes, and at most {LONGEST} are read")
        return parsed(file.read(0, file.size).decode("utf-8", "replace"))
    finally:
        file.close()
