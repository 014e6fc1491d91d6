"""A diverging scale of colours around zero: blue below, red above, as strong as a number is large."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from rich.style import Style
from textual.color import Color

NEGATIVE = Color.parse("#2f7de1")
POSITIVE = Color.parse("#e5484d")

STEPS = 8
"""Shades on each side of zero: few enough to be told apart where a terminal has 256 colours."""

SIXTEEN = (Style(color="red"), Style(color="red", bold=True), Style(color="red", bold=True, underline=True))
"""What is positive, in a terminal's own sixteen colours: weak, middling, strong. The negative ones are blue."""


@dataclass(frozen=True)
class ColourScale:
    """The styles on a `background`, or, without one, in the terminal's own sixteen colours; `steps` on each side."""

    background: Color | None
    steps: int = STEPS

    def style(self, value: float, peak: float) -> Style:
        """The style of a number: the strongest one at `peak` and beyond; none for zero and NaN."""
        if not value or math.isnan(value) or not peak > 0:
            return Style.null()
        return self._styles[math.ceil(min(1.0, abs(value) / peak) * self.steps) * (1 if value > 0 else -1)]

    @cached_property
    def _styles(self) -> dict[int, Style]:
        return {step: self._shade(step) for step in range(-self.steps, self.steps + 1) if step}

    def _shade(self, step: int) -> Style:
        if self.background is None:
            positive = SIXTEEN[(abs(step) * len(SIXTEEN) - 1) // self.steps]
            return positive if step > 0 else positive + Style(color="blue")
        shade = self.background.blend(POSITIVE if step > 0 else NEGATIVE, abs(step) / self.steps, 1)
        text = shade + shade.get_contrast_text(0.95)
        return Style(color=text.rich_color, bgcolor=shade.rich_color)
