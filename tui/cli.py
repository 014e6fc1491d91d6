"""The command line: what was asked for, and the reports that need no screen. Textual is imported only for the screen."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.errors import InspectorError, visible
from tui import plain_ascii, settings
from tui.head_start import HeadStart
from tui.misuse import Misuse

if TYPE_CHECKING:
    import argparse

    from inspector import Checkpoint
    from inspector.limits import Limits
    from inspector.query import Query
    from tui.reports.counted import Counted

Write = Callable[[str], object]

DEMO = Path(__file__).with_name("demo.pt")


class _Output:
    """Standard output, whose full disk is a `Misuse`."""

    def __init__(self, stream: Any) -> None:
        if stream is None:
            raise Misuse("there is no standard output to write to")
        self.stream = stream

    def write(self, text: str) -> None:
        try:
            self.stream.write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Misuse(f"the output can't be written: {error.strerror}") from None

    def flush(self) -> None:
        try:
            self.stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise Misuse(f"the output can't be written: {error.strerror}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the words of the command ask for, and gives the exit status: 0 done, 2 it can't be done."""
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        plain_ascii.set_up(stream, os.environ, bool(sys.flags.utf8_mode))
    try:
        if not any(word.startswith("-") for word in words) and _is_terminal(os.environ):
            return _explore(words, "", settings.limits((), os.environ))
        return _run(words)
    except Misuse as error:
        _say(str(error), error.below)
    except InspectorError as error:
        _say(str(error))
    except MemoryError:
        _say("there is not enough memory for that; ask for less, or use --filter")
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        _drop_output()
        return 0
    except KeyboardInterrupt:
        _drop_output()
        return 130
    except Exception as error:
        from tui import log

        _say(log.line("", error))
    _drop_output()
    return 2


def _run(words: Sequence[str]) -> int:
    from tui import options as command

    options = command.parse(words)
    if options.help or options.version:
        from tui import log

        output = _Output(sys.stdout)
        output.write(command.help_text() if options.help else f"{log.version()}\n")
        output.flush()
        return 0
    paths: list[str] = [*([str(DEMO)] if options.demo else []), *options.paths]
    limits = settings.limits(options.limit, os.environ)
    alone = (options.as_tree, options.as_json, options.stats, options.scan, options.verify)
    if not any((*alone, options.get is not None, options.export is not None)) and _is_terminal(os.environ):
        return _explore(paths, options.filter, limits)
    if not paths:
        raise Misuse("name a file: without a terminal there is no way to choose one")
    if len(paths) > 1 and (options.as_json or options.get is not None or options.export is not None):
        raise Misuse(f"this takes one PATH, and here are {len(paths)}")
    if options.scan and not options.as_json:
        return max([_scan(path, limits, _Output(sys.stdout)) for path in paths])
    return max([_report(path, options, limits, _Output(sys.stdout)) for path in paths])


def _is_terminal(environment: Mapping[str, str]) -> bool:
    """Whether a screen can be shown, and keys can be read."""
    if environment.get("TERM") == "dumb":
        return False
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _explore(paths: Sequence[str], query: str, limits: Limits) -> int:
    if query:
        _query(query)
    # Of what is made until the file is open nothing is garbage: then it is turned on again.
    gc.disable()
    head_start = HeadStart(paths[0], limits) if len(paths) == 1 else None
    from tui.app import TorchTUI
    from tui.leaving import Leaving
    from tui.terminal import Output

    # Textual's own choice is stderr, which may lead to a file.
    output = Output(sys.stdout.fileno(), only_ascii=plain_ascii.is_wanted(os.environ, bool(sys.flags.utf8_mode)))
    with Leaving(output) as leaving:
        app = TorchTUI(*paths, query=query, limits=limits, leaving=leaving, head_start=head_start)
        app.run()
    if app.error:
        _say(app.error)
    return app.return_code or 0


def _scan(path: str, limits: Limits, output: _Output) -> int:
    """Writes what really loading one file would call."""
    from inspector.loading import scan
    from tui.reports.calls import write_scan

    try:
        status = write_scan(path, scan(path, limits), output.write)
    except InspectorError as error:
        return _refused(path, error, output)
    output.flush()
    return status


def _refused(path: str, error: InspectorError, output: _Output) -> int:
    output.flush()
    text, shown = str(error), visible(path)
    _say(text if shown in text else f"{shown}: {text}")
    return 2


def _report(path: str, options: argparse.Namespace, limits: Limits, output: _Output) -> int:
    """Writes the report that was asked for of one file; what is wrong with it is said under its path."""
    import inspector

    query = _query(options.filter)
    status = 0
    try:
        with inspector.open(path, limits) as checkpoint:
            # What was just made stays until the end: the garbage collector need not look at it again and again.
            gc.freeze()
            if options.verify:
                from tui.reports.checksums import write_verified

                alone = not (options.as_tree or options.as_json or options.stats)
                status = write_verified(checkpoint, output.write if alone else None)
                if alone:
                    output.flush()
                    return status
            if options.scan:
                scan = checkpoint.scan()
                status = 0 if scan.complete and not scan.findings else 1
            if options.stats or query.needs_statistics:
                status = _count_and_write(checkpoint, options, output.write) or status
            else:
                _write(checkpoint, options, query, output.write)
    except InspectorError as error:
        return _refused(path, error, output)
    output.flush()
    return status


def _query(text: str) -> Query:
    from inspector.query import Query, QueryError

    try:
        return Query(text)
    except QueryError as error:
        # A script gets one line; a person sees where.
        raise Misuse(str(error), error.pointed if sys.stderr is not None and sys.stderr.isatty() else "") from None


def _write(
    checkpoint: Checkpoint, options: argparse.Namespace, query: Query, write: Write, counted: Counted | None = None
) -> None:
    if options.export is not None:
        write(_export(checkpoint, options, query) + "\n")
    elif options.get is not None and counted is not None:
        from tui.reports.figures import write_figures

        write_figures(checkpoint, options.get, query, options.as_json, write, counted)
    elif options.get is not None:
        from tui.reports.values import write_values

        write_values(checkpoint, options.get, query, options.as_json, write)
    elif options.as_json:
        from tui.reports.document import write_document

        write_document(checkpoint, query, write, counted)
    else:
        from tui.reports.tree import write_tree

        write_tree(checkpoint, query, write, counted)


def _count_and_write(checkpoint: Checkpoint, options: argparse.Namespace, write: Write) -> int:
    """Writes a report with statistics, or with a filter that needs them; the exit status.

    Ctrl+C ends the counting: the report has what is known by then, and the status is 130.
    """
    from tui.reports.counted import Counted
    from tui.reports.progress import Progress

    with Progress() as progress:

        def write_alone(text: str) -> None:
            progress.clear()
            write(text)

        counted = Counted(checkpoint, progress, options.spectrum)
        query = counted.query(options.filter)
        if options.get is None:
            counted.prepare(query)
        if progress.stopped and options.export is not None:
            raise KeyboardInterrupt
        _write(checkpoint, options, query, write_alone, counted if options.stats else None)
    return 130 if progress.stopped else 0


def _export(checkpoint: Checkpoint, options: argparse.Namespace, query: Query) -> str:
    from inspector.export import AlreadyThere, export
    from tui.figures import plural, short_size
    from tui.reports.values import tensors_to_export

    tensors = tensors_to_export(checkpoint, options.get, query)
    try:
        size = export(tensors, options.export, replace=options.force)
    except AlreadyThere as error:
        raise InspectorError(f"{error}; --force replaces it") from None
    return f"Wrote {visible(options.export)} ({plural(len(tensors), 'tensor')}, {short_size(size)})"


def _say(text: str, below: str = "") -> None:
    """One line on stderr, whatever the text is made of, and what is `below` as it is."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"torchtui: {visible(text)}\n{below}" + ("\n" if below else ""))


def _drop_output() -> None:
    """Lets what could not be written go nowhere, so that Python does not complain of it at the end."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
