"""What a file says of itself, as an outline."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tui.lines import width_of
from tui.outline import MOST_LINES, outline


def text(entries: dict[str, Any], width: int = 60) -> list[str]:
    return ["".join(part for part, _ in line).rstrip() for line in outline(entries, width)]


def test_dicts_stand_below_their_names_and_values_beside_them():
    assert text({"format": "pt", "tags": {"dog": 3, "a cat": [1, "x"]}, "none": {}}) == [
        "format            pt",
        "tags              2 entries",
        "  dog    3",
        "  a cat  [1, 'x']",
        "none              {}",
    ]


def test_a_name_that_is_longer_than_the_column_never_touches_its_value():
    name = "a_name_that_runs_on_and_on_and_on_for_ever"
    assert text({name: "value", "b": 1}, 100) == [f"{name}  value", "b                 1"]
    assert text({name: "value", "b": 1}, 60) == [name, "                  value", "b                 1"]


def test_a_list_of_dicts_is_numbered():
    assert text({"adapters": [{"r": 8}, {"r": 16}]}) == [
        "adapters          2 entries",
        "  0  1 entry",
        "    r  8",
        "  1  1 entry",
        "    r  16",
    ]


def test_a_text_of_several_lines_keeps_them():
    assert text({"chat_template": "{% if x %}\n  hello\x1b\n{% endif %}"}) == [
        "chat_template",
        "  {% if x %}",
        "    hello\\x1b",
        "  {% endif %}",
    ]


def test_of_a_long_list_the_number_of_those_that_are_left_out_is_said():
    (line,) = text({"tokens": ["a"] * 32_000}, 1000)
    assert line.endswith("'a'] … 31,950 more")
    assert text({"tokens": {str(number): number for number in range(1500)}})[-1].strip() == "… 500 more"


def test_what_is_nested_without_end_comes_to_one():
    deep: dict[str, Any] = {"value": 1}
    for _ in range(10_000):
        deep = {"deep": deep}
    assert len(text(deep)) < 60
    wide = {str(number): {str(inner): inner for inner in range(900)} for number in range(900)}
    assert len(text(wide)) == MOST_LINES
    assert text(wide)[-1] == "… cut here: there is more"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab 漢\n\x1b", max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab漢\x1b", max_size=30), inner, max_size=4),
)


@example({"": [{"a" * 34: [None, None]}]}, 48)
@given(st.dictionaries(st.text("ab漢\x1b", max_size=30), VALUES, max_size=5), st.integers(48, 100))
def test_no_line_is_wider_than_the_page(entries: dict[str, Any], width: int):
    assert all(width_of(line) <= width for line in outline(entries, width))
