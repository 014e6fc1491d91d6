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
"""Shades on each side of zero behind numbers, which must stay legible."""

CUBE = {
    True: (
        ("#00005f", "#000087", "#0000af", "#005fd7", "#005fff", "#0087ff"),
        ("#5f0000", "#870000", "#af0000", "#d70000", "#ff0000", "#ff5f5f"),
    ),
    False: (
        ("#d7d7ff", "#afafff", "#8787ff", "#5f87ff", "#005fff", "#005fd7"),
        ("#ffd7d7", "#ffafaf", "#ff8787", "#ff5f5f", "#ff0000", "#d70000"),
    ),
}
"""Shades for a terminal of 256 colours on a dark background, and on a light one: below zero, and above; weak ones first.

They are colours that it has. Others would become the nearest ones: of a weak blue a green, and a stronger red a grey one.
"""

SIXTEEN = (Style(color="red"), Style(color="red", bold=True), Style(color="red", bold=True, underline=True))
"""What is positive, in a terminal's own sixteen colours: weak, middling, strong. The negative ones are blue."""


@dataclass(frozen=True)
class ColourScale:
    """The styles on a `background`, or, without one, in the terminal's own sixteen colours; `steps` on each side.

    A terminal that is `coarse` has 256 colours.
    """

    background: Color | None
    steps: int = STEPS
    coarse: bool = False

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
        if self.coarse:
            shades = CUBE[self.background.brightness < 0.5][step > 0]
            shade = Color.parse(shades[-(-abs(step) * len(shades) // self.steps) - 1])
        else:
            shade = self.background.blend(POSITIVE if step > 0 else NEGATIVE, abs(step) / self.steps, 1)
        text = shade + shade.get_contrast_text(0.95)
        return Style(color=text.rich_color, bgcolor=shade.rich_color)
