"""Repeated layers folded into one row, and their parameters against depth."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from inspector.nodes import Node, Tensor
from tui import messages
from tui.lines import safe
from tui.reader import Job
from tui.screens.finding import Finding
from tui.stacks import Stacks, stacks
from tui.widgets.depth_view import Depth, DepthView

if TYPE_CHECKING:
    from inspector.statistics import Statistics
    from inspector.statistics.depth import Family, Row

EVERY = 0.2
"""Seconds between two looks at a table while its figures are counted."""


class Stacking(Finding):
    """The part of the screen that shows layers over depth."""

    stacks = Stacks()

    def clear(self, path: str) -> None:
        """Forget the layers of the file before."""
        self.stacks = Stacks()
        super().clear(path)

    def action_stack(self) -> None:
        """Fold repeated layers into one row each, or show each of them again."""
        root = self.root
        if self.stacks.families:
            self.unstack()
        elif root is not None:
            if self.filter:
                self.select("")

            def work(job: Job) -> messages.Stacked:
                from inspector.statistics.depth import families

                return messages.Stacked(job, stacks(families(root, lambda: job.progress(0))))

            self.reader.ask("stack", work, self.post_message)

    def on_stacked(self, event: messages.Stacked) -> None:
        """Fold them."""
        if event.stale:
            return
        if not event.stacks.families:
            self.bottom.say("there are no repeated layers here", "badge")
            return
        self.stacks = event.stacks
        node = self.module_tree.node
        assert node is not None
        look = self.module_tree.look
        look.stacks, look.totals = event.stacks.labels, event.stacks.totals
        self.module_tree.rearrange(event.stacks.below, event.stacks.stand_in(node))

    def unstack(self) -> None:
        """Show every layer again."""
        if self.stacks.families:
            self.reader.stop("stack", "depth")
            self.stacks = Stacks()
            look = self.module_tree.look
            look.stacks, look.totals = {}, {}
            self.module_tree.rearrange(self.stacks.below, self.module_tree.node)

    def select(self, text: str) -> None:
        """A filter is about every layer."""
        if text.strip():
            self.unstack()
        super().select(text)

    def go_to(self, node: Node) -> None:
        """To a node, which may be in a layer that another stands for."""
        if self.stacks.hides(node):
            self.unstack()
        super().go_to(node)

    def follow_depth(self, node: Node) -> bool:
        """Show a node over depth if it stands for several layers; whether it does."""
        self.reader.stop("depth")
        found = self.stacks.family(node)
        self.deep = found is not None
        if found is None or self.checkpoint is None:
            return False
        family, name = found
        if name not in family.tensors:
            self.depth_view.show(Depth(listed=_listed(family, name)))
            return True
        self.depth_view.show(Depth(self._rows(family, name), 0.0))
        checkpoint, known = self.checkpoint, self.known

        def work(job: Job) -> messages.Deepened:
            from inspector.statistics.crew import figures

            told = monotonic()
            unknown = [tensor for tensor in family.tensors[name] if tensor is not None and known.figures(tensor) is None]
            counting = figures(checkpoint, unknown, lambda nbytes: job.progress(0), here=False)
            for done, (tensor, result) in enumerate(counting, 1):
                if not isinstance(result, Exception):
                    known.keep(tensor, result)
                if monotonic() - told >= EVERY:
                    told = monotonic()
                    job.post(messages.Deepened(job, Depth(self._rows(family, name), min(done / len(unknown), 0.99))))
            return messages.Deepened(job, Depth(self._rows(family, name)))

        self.reader.ask("depth", work, self.post_message)
        return True

    def on_deepened(self, event: messages.Deepened) -> None:
        """Show the figures so far."""
        if not event.stale:
            self.depth_view.show(event.depth, again=True)

    def on_depth_view_picked(self, event: DepthView.Picked) -> None:
        """To the layer's own tensor, or to the parameter of all layers."""
        self.go_to_pane("tree")
        stands = self.stacks.family(event.node)
        if stands is not None and isinstance(event.node, Tensor) and stands[1] in stands[0].tensors and not self._listing:
            self.unstack()
        self.go_to(event.node)

    @property
    def _listing(self) -> bool:
        """Whether parameters are listed, not layers."""
        node = self.module_tree.node
        found = self.stacks.family(node) if node is not None else None
        return found is not None and found[1] not in found[0].tensors

    def _rows(self, family: Family, name: str) -> list[Row]:
        from inspector.statistics.depth import table

        def figures(tensor: Tensor) -> Statistics | None:
            return self.known.figures(tensor)

        return table(family, name, figures)


def _listed(family: Family, above: str) -> list[tuple[str, Node, str]]:
    """The parameters of a family at or below a module of it, and which layers differ in them."""
    from inspector.statistics.depth import table

    listed: list[tuple[str, Node, str]] = []
    for name, tensors in family.tensors.items():
        if above and not name.startswith(f"{above}."):
            continue
        unlike = [f"layer {row.number}: {row.unlike}" for row in table(family, name, lambda tensor: None) if row.unlike]
        first = next(tensor for tensor in tensors if tensor is not None)
        said = "; ".join(unlike[:3]) + (f"; … {len(unlike) - 3} more" if len(unlike) > 3 else "")
        listed.append((name, first, safe(said)))
    return listed
