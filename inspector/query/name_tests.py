"""Tests of a text by what a person wrote: words, globs and regular expressions, with smart case, none of which can hang.

Without a capital letter in what is wanted, capitals do not count. Every test takes a text as it is and in small letters.
"""

from __future__ import annotations

import fnmatch
import re
import time
import warnings
from collections.abc import Callable

Test = Callable[[str, str], object]
"""Whether a text fits; it is given as it is and in small letters."""

LONGEST_PATTERN = 200
"""Characters of a regular expression."""

LONGEST = 150
"""Characters of a text, from its end, in which a regular expression searches."""

REPEAT = LONGEST // 4
"""In how many ways a repeat without end matches: not one for each character, since repeats share those after a place."""

WAYS = REPEAT**3
"""In how many ways an expression may match from one place on, at most: three repeats without end and little else.

Nothing can stop a search while it is in one text, not even a signal: this keeps the worst of them below a second.
"""

SECONDS = 1.0
"""What searching with one expression may take in all."""


class Unfit(Exception):
    """A pattern that makes no sense, or could take too long: why, and the index of the character where it goes wrong."""

    def __init__(self, message: str, position: int = 0) -> None:
        super().__init__(message)
        self.position = position


def word(wanted: str) -> Test:
    """Texts that hold a word; one with `*`, `?` or `[...]` in it also fits whole texts as a glob, `*` crossing dots."""
    return glob(wanted) if any(mark in wanted for mark in "*?[") else substring(wanted)


def substring(wanted: str) -> Test:
    """Texts that hold this one."""
    if wanted != wanted.lower():
        return lambda text, small: wanted in text
    return lambda text, small: wanted in small


def whole(wanted: str) -> Test:
    """Texts that are this one, or fit it as a glob."""
    if any(mark in wanted for mark in "*?["):
        return glob(wanted, whole=True)
    if wanted != wanted.lower():
        return lambda text, small: text == wanted
    return lambda text, small: small == wanted


def glob(wanted: str, whole: bool = False) -> Test:
    """Texts that fit a glob from end to end, or have it in them letter by letter (if `whole`, are it)."""
    fits = re.compile(fnmatch.translate(wanted)).match
    # Most texts fail at the longest piece that every match holds, which is found ten times faster.
    needed = max(re.split("[*?]", wanted.partition("[")[0]), key=len)
    if whole:
        if wanted != wanted.lower():
            return lambda text, small: fits(text) or text == wanted
        return lambda text, small: fits(small) or small == wanted
    # A name may hold brackets and stars itself, so one that has the word letter by letter fits as well.
    if wanted != wanted.lower():
        return lambda text, small: needed in text and (fits(text) or wanted in text)
    return lambda text, small: needed in small and (fits(small) or wanted in small)


def expression(pattern: str) -> Test:
    """Texts in which Python's regular expression is found. Raises `Unfit` for one that could take too long.

    A backtracking search takes, from each place of a text, at most as many steps as there are ways to match from there:
    that number is bounded, and so is the time of all searches, after which `Unfit` is raised too.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise Unfit(f"an expression has at most {LONGEST_PATTERN} characters")
    capitals = re.sub(r"\\.", "", pattern)
    try:
        with warnings.catch_warnings():
            # What Python will take differently one day is no matter for a screen.
            warnings.simplefilter("ignore")
            search = re.compile(pattern, 0 if capitals != capitals.lower() else re.IGNORECASE).search
    except re.error as error:
        raise Unfit(error.msg, error.pos or 0) from None
    except (OverflowError, RecursionError):
        raise Unfit("the expression is too large") from None
    if _ways(pattern) <= REPEAT:
        return lambda text, small: search(text if len(text) <= LONGEST else text[-LONGEST:]) is not None
    spent = 0.0

    def timed(text: str, small: str) -> object:
        nonlocal spent
        start = time.perf_counter()
        found = search(text[-LONGEST:])
        spent += time.perf_counter() - start
        if spent > SECONDS:
            raise Unfit("searching with this expression takes too long")
        return found is not None

    return timed


_QUANTIFIER = re.compile(r"(?:([*+?])|\{([0-9]*)(,?)([0-9]*)\})[+?]?")
_CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]")


def _ways(pattern: str) -> int:
    """In how many ways a valid expression can match from one place on, or more than that."""
    if re.search(r"\(\?[aiLmsu-]*x", pattern):
        raise Unfit("the flag x is not for an expression in one line")
    # For each open group: the ways of the branches before this one, of this one so far, and of its last item.
    groups = [[0, 1, 1]]
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        group = groups[-1]
        quantifier = _QUANTIFIER.match(pattern, at)
        if letter == "(":
            groups.append([0, 1, 1])
            # What makes a group special begins with a mark that repeats nothing.
            at += 2 if pattern.startswith("(?", at) else 1
        elif letter == ")" and len(groups) > 1:
            branches, ways, last = groups.pop()
            _close(groups[-1], branches + ways * last, at)
            at += 1
        elif letter == "|":
            group[:] = [group[0] + group[1] * group[2], 1, 1]
            at += 1
        elif quantifier is not None and quantifier[0] != "{}":
            group[2] = _repeated(group[2], quantifier, at)
            at = quantifier.end()
        else:
            inner = _CLASS.match(pattern, at) if letter == "[" else None
            _close(group, 1, at)
            at = inner.end() if inner is not None else at + (2 if letter == "\\" else 1)
        if groups[-1][1] * groups[-1][2] > WAYS:
            raise Unfit("the expression could match in too many ways: use fewer repeats and choices", min(at, len(pattern)))
    return sum(branches + ways * last for branches, ways, last in groups)


def _close(group: list[int], ways: int, at: int) -> None:
    """The next item of a group begins: it can match in so many ways."""
    group[1] *= group[2]
    group[2] = ways


def _repeated(ways: int, quantifier: re.Match[str], at: int) -> int:
    """The ways of an item that may come several times."""
    mark, low, comma, high = quantifier.groups()
    if mark == "?":
        return ways + 1
    least, most = int(low or 0), int(high or 0)
    if mark is None and not comma:
        most = least
    elif mark is not None or not high:
        if ways > 1:
            raise Unfit("what is repeated without end may hold no choices and no repeats", at)
        return REPEAT
    if ways > 1:
        return min(int(ways ** min(most, 64)), WAYS + 1) + 1
    return min(max(most - least, 0) + 1, REPEAT)
