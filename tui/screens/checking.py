"""The health of the whole file: a look at every tensor, marks in the tree meanwhile, and a walk over what is found."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from inspector import naming
from inspector.nodes import Node, Tensor
from tui import messages
from tui.figures import plural, short_size
from tui.lines import safe
from tui.reader import Job, Reader
from tui.reports.progress import duration
from tui.screens.counting import Counting
from tui.screens.finding import Finding

if TYPE_CHECKING:
    from inspector import Checkpoint
    from inspector.statistics import health
    from tui.known import Known
    from tui.widgets.prompt import Purpose

EVERY = 0.2
"""Seconds between two looks at what is found so far."""

SURE = 0.005
"""The part of all bytes from which the rate is told."""


class Enough(BaseException):
    """Ends the look at a file from within, so that what it has found is told."""


class Check:
    """One look at a file: `findings` in the file's order, and the `places` of all nodes in that; it may be told to stop."""

    def __init__(self, checkpoint: Checkpoint, known: Known) -> None:
        self.checkpoint = checkpoint
        self.known = known
        self.health: health.Health | None = None
        self.findings: tuple[health.Finding, ...] = ()
        self.places: dict[Node, int] = {}
        self.running = True
        self.stopping = False

    def run(self, job: Job) -> messages.Checked:
        """Look at every tensor, and tell of it again and again. For the reader's thread."""
        from inspector.statistics.health import Health

        told = monotonic()

        def tell(health: health.Health) -> None:
            nonlocal told
            job.progress(0)
            if self.stopping:
                raise Enough
            if monotonic() - told >= EVERY:
                told = monotonic()
                job.post(messages.Checked(job, self, tuple(health.findings)))

        self.places = {node: number for number, node in enumerate(self.checkpoint.root.walk())}
        self.health = Health(self.checkpoint)
        with suppress(Enough):
            self.health.run(tell, here=False)
        for tensor, statistics in self.health.statistics.items():
            self.known.keep(tensor, statistics)
        return messages.Checked(job, self, tuple(self.health.findings), last=True)

    @property
    def status(self) -> str:
        """How far it is, or what it came to."""
        health, found = self.health, plural(len(self.findings), "finding")
        if health is None:
            return "health: looking for the tensors …"
        if self.running:
            part = health.done / max(health.total, 1)
            # A rate that rests on next to nothing says nothing.
            known = part >= SURE and health.rate
            rate = f"{short_size(int(health.rate))}/s · {duration(health.left)} left · " if known else ""
            if part >= 1 and health.last is not None:
                rate = f"looking for the place in {safe(health.last.name)} · "
            return f"health: {part:.0%} · {rate}{found} · n N walks them, esc stops"
        every = plural(len(health.tensors), "tensor")
        where = f", stopped at {len(health.statistics):,} of {every}" if self.stopping else f" in all {every}"
        return f"health: {found}{where}, {health.seconds:.1f} s" + (" · n N walks, S lists" if self.findings else "")


class Checking(Finding, Counting):
    """The part of the screen that looks for what is wrong with values."""

    def __init__(self, reader: Reader, path: str, changed_keys: Mapping[str, str], wanted: str = "") -> None:
        super().__init__(reader, path, changed_keys, wanted)
        self.check: Check | None = None
        self._walked: health.Finding | None = None
        self._status = ""

    def clear(self, path: str) -> None:
        """Forget what was found in the file before."""
        self.end_check()
        super().clear(path)

    def action_health(self) -> None:
        """Look at every tensor of the file; once that has begun, list what is found."""
        if self.checkpoint is None:
            return
        if self.check is None:
            self.check = Check(self.checkpoint, self.known)
            self.leave_statistics()
            self.reader.ask("health", self.check.run, self.post_message)
            # The latest request runs first: a look at one tensor is short.
            self.rest_on(self.module_tree.node)
            self._tell_status()
        elif self.check.findings:
            from tui.screens.findings import FindingsScreen

            of = safe(self.path)
            self.app.push_screen(FindingsScreen(self.check.findings, of, self.changed_keys), self._go_to_finding)
        else:
            self._tell_status()

    async def submit(self, purpose: Purpose, text: str) -> str | None:
        """`:health` is a command, unless something in the file is called so."""
        root = self.root if purpose == "goto" and text.strip() == "health" else None
        if root is not None and naming.find(root, "health") is None:
            self.action_health()
            return None
        return await super().submit(purpose, text)

    def on_checked(self, event: messages.Checked) -> None:
        """Show what is found so far."""
        check = event.check
        if event.stale or check is not self.check or check.health is None:
            return
        check.findings = event.findings
        check.running = not event.last
        look = self.module_tree.look
        look.findings, look.sound = check.health.marks, check.health.statistics
        self.module_tree.redraw()
        self._tell_status()

    def action_match(self, step: int) -> None:
        """To the next finding, unless a search has matches to go to."""
        node = self.module_tree.node
        if self.check is None or self.wanted or node is None:
            super().action_match(step)
            return
        findings, places = self.check.findings, self.check.places
        if not findings:
            self._tell_status()
            return
        here = self._walked
        if here is not None and here.node is node and here in findings:
            place = findings.index(here) + step
        else:
            order = [places[finding.node] for finding in findings]
            at = places.get(node, 0)
            place = bisect_right(order, at) if step > 0 else bisect_left(order, at) - 1
        self._go_to_finding(findings[place % len(findings)])

    def action_leave(self) -> None:
        """Stop the look at the file; or, once it has ended, take its marks away; else as before."""
        check = self.check
        elsewhere = self.pane != "tree" or self.filter or self.wanted
        if self.prompt is not None or check is None or (elsewhere and not check.running):
            super().action_leave()
        elif check.running and not check.stopping:
            check.stopping = True
            # What runs within it would hold it up.
            self.leave_statistics()
            self.rest_on(self.module_tree.node)
        else:
            self.end_check()

    def select(self, text: str) -> None:
        """What is counted under the cursor would hold up another filter's count."""
        self.leave_statistics()
        super().select(text)
        self.rest_on(self.module_tree.node)

    def land(self, tensor: Tensor) -> None:
        """To the cell that shows what is wrong with the tensor whose values were gone to."""
        if self.check is not None:
            found = [self._walked] if self._walked is not None else []
            for finding in (*found, *self.check.findings):
                if finding.node is tensor and finding.index:
                    self.grid.go_to(", ".join(map(str, finding.index)))
                    return

    def _go_to_finding(self, finding: health.Finding | None) -> None:
        if finding is None or self.check is None:
            return
        self._walked = finding
        self.go_to_pane("tree")
        self.go_to(finding.node)
        self.catch_up()
        self.land(finding.node)
        found = self.check.findings
        number = f"{found.index(finding) + 1:,} of {len(found):,} · " if finding in found else ""
        self._status = f"{number}{safe(finding.node.name)}: {safe(finding.text)}"
        self.bottom.say(self._status, "badge")

    def end_check(self) -> None:
        """Forget the look at the file, whether it has ended or not."""
        self.reader.stop("health")
        if self.check is not None:
            self.check = self._walked = None
            self.module_tree.look.findings, self.module_tree.look.sound = {}, ()
            self.module_tree.redraw()
            self.bottom.say("")

    def _tell_status(self) -> None:
        """Say it at the bottom, where nothing else was said in the meantime."""
        if self.check is not None and self.bottom.said.strip() in ("", self._status):
            self._status = self.check.status
            self.bottom.say(self._status, "badge" if self.check.findings else "dim")
