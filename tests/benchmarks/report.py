"""What was measured, in words: results.json, and the tables that are written from it into the README and this page.

`python -m tests.benchmarks.report` writes the tables anew.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.case import HERE, REPOSITORY, Row
from tests.benchmarks.cases import CASES

RESULTS = HERE / "results.json"

PAGES = (REPOSITORY / "README.md", HERE / "README.md")
"""What holds tables: each between `<!-- figures NAME -->` and `<!-- end of figures -->`."""

MARKED = re.compile(r"(<!-- figures (\w+)[^>]*-->\n).*?(<!-- end of figures -->)", re.DOTALL)

UNITS = {"seconds": "s", "cpu": "s of processor time", "p95": "ms, p95", "rest KB": "KB at rest"}
"""How a figure's unit is written, where not as its name."""


def keep(name: str, rows: Sequence[Row]) -> None:
    """Note what came of a case, with the day and the machine."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[name] = {"machine": machine(), "rows": [asdict(row) for row in rows]}
    kept = {case: results[case] for case in CASES if case in results}
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")


def results() -> dict[str, tuple[str, list[Row]]]:
    """The machine and the rows of every case that was kept."""
    kept = json.loads(RESULTS.read_text())
    return {name: (about["machine"], [Row(**row) for row in about["rows"]]) for name, about in kept.items()}


def figures() -> str:
    """The table of everything that has a figure to hold."""
    return _with_machines([(machine, row) for machine, rows in results().values() for row in rows if row.most is not None])


def curves() -> str:
    """The table of what was measured beside: how cost grows, and what peers take."""
    return _with_machines([(machine, row) for machine, rows in results().values() for row in rows if row.most is None])


TABLES = {"all": figures, "beside": curves}


def with_tables(text: str) -> str:
    """A page with its tables as they have to be."""
    return MARKED.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def write_pages() -> None:
    """Write the tables into the pages."""
    for page in PAGES:
        page.write_text(with_tables(page.read_text()))


def _with_machines(rows: Sequence[tuple[str, Row]]) -> str:
    machines = dict.fromkeys(machine for machine, _ in rows)
    said = "\n".join(f"Measured {machine}." for machine in machines)
    return f"{table(row for _, row in rows)}\n\n{said}\n" if rows else ""


def table(rows: Iterable[Row]) -> str:
    """Rows as a table in Markdown."""
    lines = [("what", "figure", "ours", "against", "ratio", ""), ("---",) * 6]
    for row in rows:
        against = f"{row.against}: {number(row.other)} {unit(row.figure)}" if row.other is not None else ""
        ratio = ("" if row.ratio is None else number(row.ratio)) if row.other is not None else ""
        lines.append((row.what, limit(row), f"{number(row.ours)} {unit(row.figure)}", against, ratio, row.verdict))
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def line(row: Row) -> str:
    """A row for whoever waits."""
    compared = f"  {row.against} {number(row.other)}  ratio {row.ratio:.3g}" if row.ratio is not None else ""
    return f"{row.case}  {number(row.ours)} {unit(row.figure)}{compared}  {limit(row)}  {row.verdict}".rstrip()


def limit(row: Row) -> str:
    """What is asked of a row."""
    if row.most is None:
        return ""
    if row.ratio is None:
        return f"{number(row.most)} {unit(row.figure)}"
    return f"1/{1 / row.most:.0f}" if row.most <= 0.5 else f"{row.most:g} times"


def number(value: float | None) -> str:
    """A figure with as many digits as mean something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def unit(figure: str) -> str:
    """The unit of a figure."""
    return UNITS.get(figure, figure)


def machine() -> str:
    """The day, this machine and the versions that matter, in a line."""
    model = "an unknown processor"
    for text in Path("/proc/cpuinfo").read_text().splitlines():
        if text.startswith("model name"):
            model = text.partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    busy = ", busy with other work" if os.getloadavg()[0] > (os.cpu_count() or 1) else ""
    day = datetime.datetime.now(datetime.UTC).date()
    versions = f"Python {sys.version.split()[0]}, Textual {version('textual')}, torch 2.13.0"
    return f"{day} on {os.cpu_count()} cores of {model}, {memory:.0f} GiB, {versions}{busy}; medians"


if __name__ == "__main__":
    write_pages()
