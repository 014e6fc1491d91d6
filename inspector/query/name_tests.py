"""Tests of a text by what a person wrote: words, globs and regular expressions, with smart case, none of which can hang.

Without a capital letter in what is wanted, capitals do not count. Every test takes many texts at once, as they
are and in small letters: so it runs over the names of a large model while a person types.
"""

from __future__ import annotations

import fnmatch
import re
import time
import warnings
from collections.abc import Callable, Sequence
from itertools import repeat

Test = Callable[[Sequence[str], Sequence[str]], list[bool]]
"""Which of some texts fit; they are given as they are and in small letters."""

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
    return _smart(wanted, lambda texts: [wanted in text for text in texts])


def whole(wanted: str) -> Test:
    """Texts that are this one, or fit it as a glob."""
    if any(mark in wanted for mark in "*?["):
        return glob(wanted, whole=True)
    return _smart(wanted, lambda texts: [text == wanted for text in texts])


def glob(wanted: str, whole: bool = False) -> Test:
    """Texts that fit a glob from end to end, or have it in them letter by letter (if `whole`, are it)."""
    fits = re.compile(fnmatch.translate(wanted)).match
    if whole:
        return _smart(wanted, lambda texts: [bool(fits(text)) or text == wanted for text in texts])
    # A name may hold brackets and stars itself, so one that has the word letter by letter fits as well.
    if wanted[0] == "*" and not any(mark in wanted[1:] for mark in "*?["):
        end = wanted[1:]

        def test(texts: Sequence[str]) -> list[bool]:
            if wanted in "\n".join(texts):
                return [text.endswith(end) or wanted in text for text in texts]
            return list(map(str.endswith, texts, repeat(end)))

        return _smart(wanted, test)
    # Most texts fail at the longest piece that every match holds, which is found ten times faster.
    needed = max(re.split("[*?]", wanted.partition("[")[0]), key=len)
    return _smart(wanted, lambda texts: [needed in text and (bool(fits(text)) or wanted in text) for text in texts])


def expression(pattern: str) -> Test:
    """Texts in which Python's regular expression is found. Raises `Unfit` for one that could take too long.

    A backtracking search takes, from each place of a text, at most as many steps as there are ways to match from there:
    that number is bounded, and so is the time of all searches, after which `Unfit` is raised too.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise Unfit(f"an expression has at most {LONGEST_PATTERN} characters")
    capitals = re.sub(r"\\.", "", pattern)
    exact = capitals != capitals.lower()
    try:
        with warnings.catch_warnings():
            # What Python will take differently one day is no matter for a screen.
            warnings.simplefilter("ignore")
            search = re.compile(pattern, 0 if exact else re.IGNORECASE).search
            # In small letters it is found three times faster, where it can mean nothing else.
            plain = re.compile(pattern).search if not exact and _PLAIN.fullmatch(pattern) else None
    except re.error as error:
        raise Unfit(error.msg, error.pos or 0) from None
    except (OverflowError, RecursionError):
        raise Unfit("the expression is too large") from None
    quick = _ways(pattern) <= REPEAT
    spent = 0.0

    def test(texts: Sequence[str], small: Sequence[str]) -> list[bool]:
        nonlocal spent
        if max(map(len, texts), default=0) > LONGEST:
            texts, small = ([text[-LONGEST:] for text in known] for known in (texts, small))
        if quick:
            if plain is not None and all(map(str.isascii, texts)):
                return [found is not None for found in map(plain, small)]
            return [found is not None for found in map(search, texts)]
        fitting = []
        for text in texts:
            start = time.perf_counter()
            fitting.append(search(text) is not None)
            spent += time.perf_counter() - start
            if spent > SECONDS:
                raise Unfit("searching with this expression takes too long")
        return fitting

    return test


def fits_one(test: Test, text: str) -> bool:
    """Whether one text fits."""
    return bool(test([text], [text.lower()])[0])


def _smart(wanted: str, test: Callable[[Sequence[str]], list[bool]]) -> Test:
    """A test of the texts as they are where there is a capital in what is wanted, else of them in small letters."""
    if wanted != wanted.lower():
        return lambda texts, small: test(texts)
    return lambda texts, small: test(small)


_PLAIN = re.compile(r"(?:[a-z0-9_.,|+*?^$(){} -]|\\[dwsbDWSB./])*")
"""Expressions that are found in an ASCII text, capitals not counting, where they are found in its small letters."""

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
