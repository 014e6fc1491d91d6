"""What really loading a file would call and import, as text: the report of `--scan`, and the page of the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from inspector.errors import visible
from inspector.loading import Finding, Scan

NOTHING_RUN = "nothing in this file was run"

LONGEST = 300
"""Characters of arguments that a line shows."""

MOST = 1000
"""Findings that are listed one by one."""

Part = tuple[str, str]
"""A text and its role: `strong` for what is called, `dim` for where, `error` for a problem."""


Row = tuple[list[Part], Finding | None]
"""A line, and the finding that it tells of, if it tells of one."""


def write_scan(name: str, scan: Scan, write: Callable[[str], object]) -> int:
    """Writes the report; the exit status: 1 if a call or import outside plain data was found, or could be, else 0."""
    write(f"{visible(name)}\n")
    for line, _ in scan_rows(scan):
        write("".join(text for text, _ in line).rstrip() + "\n")
    return 0 if scan.complete and not scan.findings else 1


def scan_rows(scan: Scan) -> Iterator[Row]:
    """The lines: the verdict, calls, imports, the classes of torch, what could not be looked at. Fit for a terminal."""
    calls = [finding for finding in scan.findings if finding.group == "call"]
    imports = [finding for finding in scan.findings if finding.group == "import"]
    layers = Counter(finding.callable for finding in scan.findings if finding.group == "torch")
    if not scan.findings:
        said = "no calls outside plain data" if scan.pickles else "there is no pickle in it"
        but = "" if scan.complete else " in what could be looked at, which is not all of it"
        yield [(f"{NOTHING_RUN}; {said}{but}", "strong")], None
    else:
        verb = "call" if calls or layers else "import"
        yield [(f"{NOTHING_RUN}; loading it with pickle would {verb}:", "strong")], None
    yield from _listed(calls)
    if imports:
        if calls or layers:
            yield [("and import:", "strong")], None
        yield from _listed(imports)
    if layers:
        count = sum(layers.values())
        yield [(f"  classes of torch.nn, made empty and given their state: {count:,}", "text")], None
        named = ", ".join(f"{visible(_short(name))} {often}" for name, often in layers.most_common(50))
        yield [(f"    {named}", "dim")], None
    if scan.more:
        yield [(f"  … and {scan.more:,} more calls", "dim")], None
    for problem in scan.problems:
        yield [(f"! {visible(problem)}", "error")], None


def _listed(findings: list[Finding]) -> Iterator[Row]:
    for finding in findings[:MOST]:
        called = visible(_cut(finding.callable))
        if finding.group == "call":
            given = visible(_cut(finding.arguments))
            called += given if given.startswith("(") else f"({given})"
        yield [(f"  {called}", "strong"), (f"  {where(finding)}", "dim")], finding
    if len(findings) > MOST:
        yield [(f"  … and {len(findings) - MOST:,} more", "dim")], None


def where(finding: Finding) -> str:
    """The opcode and byte, in which member, at which name of the tree, and why a load might not come to it."""
    words = [f"{finding.opcode} at byte {finding.offset:,}"]
    if finding.member:
        words.append(f"of {_cut(finding.member)}")
    if finding.place:
        words.append(f"for {_cut(finding.place)}")
    if finding.state and finding.group == "call":
        words.append("and sets its state")
    if finding.note:
        words.append(f"({finding.note})")
    return visible(" ".join(words))


def _short(path: str) -> str:
    return path.rpartition(".")[2]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
