"""What a file says besides its tree: about itself, what is wrong with it, texts to read. Pages are imported when wanted."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from inspector import naming
from inspector.nodes import Module, Node, Tensor, Value
from tui import messages
from tui.lines import safe
from tui.reader import Job
from tui.screens.finding import Finding
from tui.troubles import Troubles, remarks

if TYPE_CHECKING:
    from inspector.loading import Finding as Call
    from tui.screens.problems import Problem, ProblemList


class Telling(Finding):
    """The part of the screen that opens pages on what the file says."""

    def action_metadata(self) -> None:
        """What the file says about itself."""
        from tui.screens.pages import metadata_lines, text_page

        if self.checkpoint is not None:
            checkpoint = self.checkpoint
            title = f"{safe(PurePath(self.path).name)}: metadata"
            page = text_page(title, lambda width: metadata_lines(checkpoint, width), self.changed_keys)
            self.app.push_screen(page)

    def action_calls(self) -> None:
        """What really loading the file would call: all of its pickles are looked at for it."""
        if self.checkpoint is not None:
            checkpoint = self.checkpoint
            self.bottom.say("looking at every pickle …", "dim")
            # That of the page: a column is free at each side, and one is the scrollbar's.
            width = self.app.size.width - 3

            def work(job: Job) -> messages.Scanned:
                from tui.screens.calls import CallLines

                return messages.Scanned(job, CallLines(checkpoint.scan(job.progress), width))

            self.reader.ask("calls", work, self.post_message)

    def on_scanned(self, event: messages.Scanned) -> None:
        """List what was found; what stands in the tree can be gone to."""
        from tui.screens.calls import CallsScreen

        if not event.stale:
            self.bottom.say("")
            self.app.push_screen(CallsScreen(safe(self.path), event.calls, self.changed_keys), self._go_to_call)

    def _go_to_call(self, call: Call | None) -> None:
        if call is None or self.root is None:
            return
        node, place = None, "" if call.note else call.place
        # What a layer holds besides its tensors has no row of its own: then its layer is shown.
        while place and node is None:
            node = naming.find(self.root, place)
            place = place.rpartition(".")[0]
        if node is None:
            self.bottom.say("what that makes stands nowhere in the tree", "badge")
        else:
            self.go_to_pane("tree")
            self.go_to(node)

    # Texts

    def action_texts(self) -> None:
        """The text about the node under the cursor (its class, its graph) if the file carries it; else all texts."""
        from tui.screens.texts import TextScreen, TextsScreen

        if self.checkpoint is None or not self.checkpoint.texts:
            self.bottom.say("the file carries no texts", "badge")
            return
        texts, node = self.checkpoint.texts, self.module_tree.node
        if isinstance(node, Tensor | Value):
            node = node.parent or node
        name = self.checkpoint.text_of(node) if node is not None else ""
        if name:
            about = node.short_type if isinstance(node, Module) else ""
            self.app.push_screen(TextScreen(self.reader, texts, name, self.changed_keys, about))
        else:
            self.app.push_screen(TextsScreen(self.reader, texts, self.changed_keys))

    # Problems

    def action_problems(self) -> None:
        """What is wrong with the file, and where."""
        from tui.screens.problems import ProblemsScreen

        problems = self._problems()
        odd = remarks(self.checkpoint) if self.checkpoint is not None else []
        if problems or odd:
            self.app.push_screen(ProblemsScreen(problems, odd, self.changed_keys), self._go_to_problem)
        else:
            self.bottom.say("no problems are known", "badge")

    def _problems(self) -> list[Problem]:
        """The file's own problems, then those of tensors by what they are."""
        if self.checkpoint is None:
            return []
        known = self.survey.troubles or Troubles(own=self.checkpoint.problems)
        return [*((text, ()) for text in known.own), *known.kinds.items()]

    def _go_to_problem(self, picked: ProblemList.Picked | None) -> None:
        if picked is None:
            return
        node = picked.tensor or self._named_by(picked.text)
        if node is None:
            self.bottom.say("that is about the file as a whole", "badge")
        else:
            self.go_to_pane("tree")
            self.go_to(node)

    def _named_by(self, problem: str) -> Node | None:
        """The first node that a problem names, as they do: `model.fc, model.out: what is wrong`."""
        name = problem.partition(": ")[0].partition(", ")[0]
        return naming.find(self.root, name) if self.root is not None and name else None
