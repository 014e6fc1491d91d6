"""The filter that the screen and the command line share: what it is made of, and how that is put together.

    fc1 bias                   names that hold both words (smart case: without capitals, capitals do not count)
    *.weight  layer?.*         a word with `*`, `?` or `[...]` also matches whole names as a glob; `*` crosses dots
    /q_proj|k_proj/            a regular expression, found anywhere in the name
    "lr scheduler"             what stands in quotes is one word as it is, spaces, stars and all
    dtype:bf16  numel>10M      a field, a comparison, a value: see `inspector.query.fields`
    type:Linear                layers of that class or, in torch.nn, of one derived from it
    a b or not (c and d)       words side by side must all fit; `not` binds most, then `and`, then `or`

What a filter asks of tensors is unknown of other nodes, as figures are of tensors that are not counted: what is unknown
fits neither the comparison nor its opposite.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from inspector.errors import InspectorError, visible
from inspector.query import fields, name_tests
from inspector.query.fields import Figures
from inspector.query.name_tests import Unfit
from inspector.query.table import NO, YES, Table, TableTest

if TYPE_CHECKING:
    from inspector.query.table import States

_TOKEN = re.compile(
    rf"""\s*(?:
    (?P<keyword>(?:and|or|not|AND|OR|NOT)(?=[\s()]|$))
    | (?P<open>\() | (?P<close>\))
    | "(?P<quoted>[^"]*)"
    | /(?P<expression>(?:\\.|[^/\\])*)/
    | (?P<field>{"|".join(fields.NAMES)})\s*(?P<sign>!=|<=|>=|[=<>~:])\s*
    | (?P<stray>[A-Za-z_]\w*)\s*(?:!=|<=|>=|[=<>~])
    | (?P<word>[^\s"()/][^\s"()]*(?:\([^\s"()]*\)[^\s"()]*)*)
    | (?P<open_end>["/])
    | $)""",
    re.VERBOSE,
)

_VALUE = re.compile(r'"(?P<quoted>[^"]*)"|/(?P<expression>(?:\\.|[^/\\])*)/|(?:[^\s"()]|\(\))+')
_SHAPE = re.compile(r"\[[^\]]*\]")

DEEPEST = 50
"""Parentheses in parentheses."""


class QueryError(InspectorError):
    """The filter can't be understood. `position` is the index of the character where it goes wrong."""

    def __init__(self, message: str, text: str, position: int) -> None:
        super().__init__(f"the filter {visible(text)} can't be understood at character {position + 1}: {message}")
        self.message = message
        self.text = text
        self.position = position

    @property
    def pointed(self) -> str:
        """The filter and, in a second line, a caret below where it goes wrong."""
        return f"{visible(self.text)}\n{' ' * len(visible(self.text[: self.position]))}^"


class Query:
    """A filter, understood; an empty one matches everything.

    `figures` gives the statistics of a tensor, or None where they are not known (yet); `needs_statistics` says whether
    it is asked at all. Raises `QueryError` for a filter that makes no sense.
    """

    def __init__(self, text: str, figures: Figures = lambda tensor: None) -> None:
        self.text = text
        self.needs_statistics = False
        self._figures = figures
        self._at = 0
        self._end = 0
        self._depth = 0
        self._token = self._next()
        self._test = None if self._token.lastgroup is None else self._either()
        if self._token.lastgroup is not None:
            self._fail("there is no ( for this )")

    def __bool__(self) -> bool:
        """Whether it asks for anything."""
        return self._test is not None

    def states(self, table: Table) -> States:
        """What it says of each node of a table: `NO`, `UNKNOWN` or `YES`. Raises `QueryError` if that takes too long."""
        if self._test is None:
            return table.all(YES)
        try:
            return self._test(table)
        except Unfit as error:
            raise QueryError(str(error), self.text, 0) from None

    # The grammar: each method takes what it is about from the text, and leaves the token after it.

    def _next(self) -> re.Match[str]:
        token = _TOKEN.match(self.text, self._end)
        if token is None:
            raise QueryError("this can't begin a word", self.text, self._end)
        self._at = token.start(token.lastgroup or 0)
        self._end = token.end()
        return token

    def _fail(self, message: str, offset: int = 0) -> NoReturn:
        raise QueryError(message, self.text, self._at + offset)

    def _keyword(self) -> str:
        return (self._token["keyword"] or "").lower()

    def _either(self) -> TableTest:
        tests = [self._every()]
        while self._keyword() == "or":
            self._token = self._next()
            tests.append(self._every())
        return tests[0] if len(tests) == 1 else _any_one(tests)

    def _every(self) -> TableTest:
        tests = [self._negated()]
        while self._token.lastgroup not in (None, "close") and self._keyword() != "or":
            if self._keyword() == "and":
                self._token = self._next()
            tests.append(self._negated())
        return tests[0] if len(tests) == 1 else _every_one(tests)

    def _negated(self) -> TableTest:
        negative = False
        while self._keyword() == "not":
            negative = not negative
            self._token = self._next()
        test = self._one()
        return (lambda table: table.negated(test(table))) if negative else test

    def _one(self) -> TableTest:
        token, kind = self._token, self._token.lastgroup
        if kind == "open":
            return self._group()
        if kind == "sign":
            return self._comparison()
        if kind == "stray":
            self._fail(f"no field is called {visible(token[kind])}; there are {', '.join(fields.NAMES)}")
        if kind in (None, "close", "keyword"):
            self._fail("something to look for is missing here")
        if kind == "open_end":
            self._fail(f"a closing {token[kind]} is missing")
        wanted = token[kind]
        try:
            test = name_tests.expression(wanted) if kind == "expression" else None
        except Unfit as error:
            self._fail(str(error), error.position)
        if test is None:
            test = name_tests.substring(wanted) if kind == "quoted" else name_tests.word(wanted)
        self._token = self._next()
        return lambda table: table.named(test)

    def _group(self) -> TableTest:
        opened = self._at
        self._depth += 1
        if self._depth > DEEPEST:
            self._fail("there are too many ( in each other")
        self._token = self._next()
        test = self._either()
        if self._token.lastgroup != "close":
            self._at = opened
            self._fail("a ) is missing for this (")
        self._depth -= 1
        self._token = self._next()
        return test

    def _comparison(self) -> TableTest:
        token = self._token
        field, sign = token["field"], token["sign"]
        self._at = self._end
        value = (_SHAPE.match(self.text, self._end) if field == "shape" else None) or _VALUE.match(self.text, self._end)
        if value is None:
            self._fail("a value is missing here")
        self._at = value.start(value.lastgroup or 0)
        self._end = value.end()
        wanted, expression = value[value.lastgroup or 0], value.lastgroup == "expression"
        self.needs_statistics |= field in fields.STATISTICS
        try:
            test = fields.comparison(field, sign, wanted, expression, self._figures)
        except Unfit as error:
            self._fail(str(error), error.position)
        self._token = self._next()
        return test


def _every_one(tests: list[TableTest]) -> TableTest:
    def test(table: Table) -> States:
        states = tests[0](table)
        for other in tests[1:]:
            # What is settled is not asked about again.
            undecided = states != NO
            states[undecided] &= other(table.only(undecided))
        return states

    return test


def _any_one(tests: list[TableTest]) -> TableTest:
    def test(table: Table) -> States:
        states = tests[0](table)
        for other in tests[1:]:
            undecided = states != YES
            states[undecided] |= other(table.only(undecided))
        return states

    return test
