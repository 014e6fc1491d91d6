"""The options of the command, and what they are for; imported where there are any."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from inspector.limits import NAMES
from tui.misuse import Misuse

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
  torchtui model.pt --get fc3.weight --spectrum      all figures of it, and its singular values
  torchtui checkpoint.pt --get model --export model.safetensors
  torchtui stranger.pt --scan                        what really loading it would call

limits that protect from hostile files, each changed by --limit NAME=VALUE (64M, 2G),
or for good in ~/.config/torchtui/limits.toml: {limits}
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Misuse(f"{message} (torchtui --help shows what there is)")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What the words ask for. Raises `Misuse` for what is no option, and where options contradict each other."""
    options = _parser().parse_intermixed_args(arguments)
    if not (options.help or options.version):
        _check(options)
        options.stats = options.stats or options.spectrum
    return options


def help_text() -> str:
    """The page of `--help`."""
    return _parser().format_help()


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
    add(
        "--stats",
        action="store_true",
        help="statistics of every tensor, in --print and --json; all figures of one, with --get",
    )
    add(
        "--spectrum",
        action="store_true",
        help="with them the singular values of each matrix, which take seconds for a large one: name some by --filter",
    )
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
    if (options.stats or options.spectrum) and options.export is not None:
        raise Misuse("--stats and --spectrum go with --print, --json and --get")
    if options.force and options.export is None:
        raise Misuse("--force belongs to --export")
