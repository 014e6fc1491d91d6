"""The command line: what was asked for, and the reports that need no screen. Textual is imported only for the screen."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from inspector.errors import InspectorError, visible
from inspector.limits import NAMES
from tui import plain_ascii, settings
from tui.head_start import HeadStart

if TYPE_CHECKING:
    from inspector import Checkpoint
    from inspector.limits import Limits
    from inspector.query import Query
    from tui.reports.counted import Counted

Write = Callable[[str], object]

DESCRIPTION = "Looks into PyTorch model files: the module tree and the values. Nothing in a file is executed."

EPILOG = """\
A filter is made of words, globs, /expressions/ and fields compared by = != < <= > >= ~,
joined by and, or, not and ( ). Fields: name type kind dtype shape ndim numel bytes device
requires_grad tied, and what is counted for it: min max mean std norm nan inf zero.

exit status: 0 done; 1 found what was asked about: calls outside plain data (--scan), wrong
checksums (--verify); 2 the file or the words can't be used, said in one line on stderr;
130 Ctrl+C, with what was known until then
Where there is no terminal (or TERM=dumb), --print is what happens without options.

  torchtui model.pt                                  explore it; ? shows the keys
  torchtui model.pt --print --filter '*.weight'      the weights, with their totals
  torchtui model.pt --stats --filter 'nan>0'         the tensors that hold NaN, with their statistics
  torchtui model.pt --get 'fc3.weight[0, :, 1]'      these values, as torch prints them
  torchtui checkpoint.pt --get model --export model.safetensors
  torchtui stranger.pt --scan                        what really loading it would call

limits that protect from hostile files, each changed by --limit NAME=VALUE (64M, 2G),
or for good in ~/.config/torchtui/limits.toml: {limits}
"""

DEMO = Path(__file__).with_name("demo.pt")


class Misuse(Exception):
    """The words of the command can't be used. The text is one line; `below` may show where, in lines fit for a terminal."""

    def __init__(self, text: str, below: str = "") -> None:
        super().__init__(text)
        self.below = below


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Misuse(f"{message} (torchtui --help shows what there is)")


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
    for stream in (sys.stdout, sys.stderr):
        plain_ascii.set_up(stream, os.environ, bool(sys.flags.utf8_mode))
    try:
        return _run(_parser(), arguments)
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


def _parser() -> _Parser:
    parser = _Parser(
        "torchtui",
        usage="torchtui [PATH ...] [options]",
        description=DESCRIPTION,
        epilog=EPILOG.format(limits=", ".join(NAMES)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="a model file; without one, choose among those below this folder")
    add("--demo", action="store_true", help="the model that ships with this program")
    add("--print", dest="as_tree", action="store_true", help="the tree as text")
    add(
        "--json", dest="as_json", action="store_true", help="all of it as one JSON document; with --get, the values as JSON"
    )
    add("--get", metavar="NAME[SLICE]", help="the values of one tensor or of a slice of it; a value; a module's text")
    add("--stats", action="store_true", help="statistics of every tensor, in --print and --json")
    add(
        "--filter", default="", metavar="Q", help="only what matches: 'fc bias', '*.weight', 'dtype:bf16 numel>1M', 'nan>0'"
    )
    add("--scan", action="store_true", help="what really loading the file would call; nothing of it is run")
    add(
        "--verify",
        action="store_true",
        help="compare all values with the file's checksums, alone or with --print and --json",
    )
    add(
        "--limit", action="append", default=[], metavar="NAME=VALUE", help="change a limit that protects from hostile files"
    )
    add("--export", metavar="DEST", help="write what matches to a .npy .npz .safetensors .pt .csv or .json file")
    add("--force", action="store_true", help="let --export replace a file")
    add("--version", action="store_true", help="the version of this program")
    add("-h", "--help", action="store_true", help="this page")
    return parser


def _run(parser: _Parser, arguments: Sequence[str] | None) -> int:
    options = parser.parse_intermixed_args(arguments)
    if options.help or options.version:
        from tui import log

        output = _Output(sys.stdout)
        output.write(parser.format_help() if options.help else f"{log.version()}\n")
        output.flush()
        return 0
    _check(options)
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


def _check(options: argparse.Namespace) -> None:
    """Refuses options that contradict each other."""
    if options.as_tree and (options.as_json or options.get is not None or options.export is not None):
        raise Misuse("--print goes with neither --json, --get nor --export")
    if options.export is not None and options.as_json:
        raise Misuse("--export writes JSON where DEST ends in .json, and goes without --json")
    if options.scan and (options.as_tree or options.get is not None or options.export is not None):
        raise Misuse("--scan goes alone or with --json")
    if options.verify and (options.get is not None or options.export is not None or options.scan):
        raise Misuse("--verify goes alone or with --print and --json")
    if options.stats and (options.get is not None or options.export is not None):
        raise Misuse("--stats goes with --print and --json")
    if options.force and options.export is None:
        raise Misuse("--force belongs to --export")


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

        counted = Counted(checkpoint, progress)
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
