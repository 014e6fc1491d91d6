"""JSON that comes from a file: parsed within bounds, so that whoever walks or prints it needs none of his own."""

from __future__ import annotations

from typing import Any

from inspector.errors import brief

DEEPEST = 64
"""How many lists and objects may stand in each other."""

NAMED = 5
"""Keys that are named for coming twice."""


def loaded(text: str | bytes, repeated: list[str]) -> Any:
    """What a JSON text says; of a key that an object has several times the last counts, as in Python, and `repeated` tells.

    Raises ValueError or RecursionError for what is no JSON.
    """

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        whole = dict(pairs)
        if len(whole) < len(pairs) and len(repeated) < NAMED:
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            repeated.append(f"{brief(twice)} comes several times in one object; the last one counts")
        return whole

    import json

    return json.loads(text, object_pairs_hook=made)


def parsed(text: str) -> Any:
    """What a text says that is a JSON object or list; any other text, and one nested too deep, stays as it is.

    NaN and Infinity, which Python takes and JSON does not have, make it no JSON.
    """
    if not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return text
    # Most files have none: only those that do pay for the import.
    import json

    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return text if deeper(value, DEEPEST) else value


def deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other more than `levels` deep."""
    row = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not row:
            return False
        row = [item for outer in row for item in _items(outer) if isinstance(item, dict | list)]
    return bool(row)


def _items(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
