"""The colours: a dark theme, a light one, one of the terminal's own sixteen; and what each text's role is drawn in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from tui.colour_scale import NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from textual.app import App

DARK = Theme(
    name="torchtui-dark",
    primary="#8fb3e8",
    secondary="#79c0b4",
    accent="#f2724f",
    success="#a5c98a",
    warning="#e5b567",
    error="#f07178",
    foreground="#d6d9e0",
    background="#14161b",
    surface="#1a1d24",
    panel="#2a2f3a",
    variables={"cursor": "#2d3a50", "cursor-blurred": "#232833", "match": "#6b4f1d"},
)

LIGHT = Theme(
    name="torchtui-light",
    primary="#2a5db0",
    secondary="#10706a",
    accent="#c63d17",
    success="#3f7327",
    warning="#8f5b00",
    error="#b3261e",
    foreground="#24292f",
    background="#fbfaf7",
    surface="#f2f0eb",
    panel="#e6e2d9",
    dark=False,
    variables={"cursor": "#cfdff5", "cursor-blurred": "#e7e5df", "match": "#f7d98c"},
)

SIXTEEN = Theme(
    name="torchtui-16",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_magenta",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "border": "ansi_bright_black",
        "border-blurred": "ansi_bright_black",
        "input-cursor-text-style": "reverse",
    },
)

THEMES = (DARK, LIGHT, SIXTEEN)


class Palette:
    """The style of each role, for one theme: `roles` are foregrounds, but for `match`; the cursors are backgrounds."""

    def __init__(self, theme: Theme, variables: Mapping[str, str]) -> None:
        self.variables = variables
        self.sixteen = theme.ansi
        self.dark = theme.dark
        primary, secondary, accent, success, warning, error = map(
            self._colour, ("primary", "secondary", "accent", "success", "warning", "error")
        )
        self.roles = {
            "text": Style() if theme.ansi else self._colour("foreground"),
            "strong": Style(bold=True) if theme.ansi else self._colour("foreground") + Style(bold=True),
            "dim": self._faded(0.42),
            "faint": self._faded(0.76),
            "class": primary,
            "dtype": secondary,
            "value": success,
            "badge": warning,
            "error": error,
            "accent": accent + Style(bold=True),
            "below": Style(color="blue") if theme.ansi else Style(color=NEGATIVE.rich_color),
            "above": Style(color="red") if theme.ansi else Style(color=POSITIVE.rich_color),
        }
        self._on: dict[Style, dict[str, Style]] = {}
        self.cursor = self._background("cursor", Style(color="default", reverse=True, dim=False))
        self.cursor_blurred = self._background("cursor-blurred", Style(bold=True, underline=True))
        self.roles["match"] = self.roles["strong"] + self._background("match", Style(reverse=True))

    def on(self, base: Style) -> Mapping[str, Style]:
        """The roles on a background."""
        found = self._on.get(base)
        if found is None:
            found = self._on[base] = {role: base + style for role, style in self.roles.items()}
        return found

    def _colour(self, name: str) -> Style:
        return Style(color=Color.parse(self.variables[name]).rich_color)

    def _faded(self, amount: float) -> Style:
        """The foreground, mixed with so much of the background."""
        if self.sixteen:
            return Style(dim=True)
        foreground, background = (Color.parse(self.variables[name]) for name in ("foreground", "background"))
        return Style(color=foreground.blend(background, amount, 1).rich_color)

    def _background(self, name: str, sixteen: Style) -> Style:
        if self.sixteen:
            return sixteen
        # Themes that are not ours do not have these.
        ours = self.variables.get(name, self.variables["primary-muted" if name == "cursor" else "panel"])
        return Style(bgcolor=(Color.parse(self.variables["background"]) + Color.parse(ours)).rich_color)


def suiting_theme(color_system: str | None, environ: Mapping[str, str]) -> str:
    """The theme for a terminal: of so many colours, and light where it says so in COLORFGBG (`0;15`)."""
    if color_system in ("standard", "windows"):
        return SIXTEEN.name
    return LIGHT.name if environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15") else DARK.name


_known: dict[str, Palette] = {}


def palette(app: App[Any]) -> Palette:
    """The palette of the theme that the app has now."""
    theme = app.current_theme
    found = _known.get(theme.name)
    if found is None:
        found = _known[theme.name] = Palette(theme, app.theme_variables)
    return found
