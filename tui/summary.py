"""The figures of a tensor as a person reads them, in one place: reports, tree and panel show the same digits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tui.figures import shape_text

if TYPE_CHECKING:
    from inspector.nodes import Tensor
    from inspector.statistics import Statistics
    from inspector.statistics.spectrum import Spectrum


def figure(value: float) -> str:
    """A figure in four digits: `-2.118`, `0.388`, `0.01998`, `1.2e+04`; an integer as it is, up to seven digits."""
    if isinstance(value, int) and abs(value) < 10**7:
        return str(value)
    if not math.isfinite(value):
        return f"{value:g}"
    if value == 0:
        return "0"
    if 0.1 <= abs(value) < 999.9995:
        return f"{value:.3f}"
    return f"{value:#.4g}".rstrip(".")


def summary(statistics: Statistics) -> str:
    """The figures in the short form that lovely-tensors has made known: `x∈[-2.118, 2.640] μ=-0.388 σ=1.073 NaN!`.

    Of complex numbers they are those of the magnitudes, `|x|`.
    """
    facts = []
    x = "|x|" if statistics.parts else "x"
    if statistics.finite == 1:
        facts.append(f"{x}={figure(statistics.min)}")
    elif statistics.zero and statistics.zero == statistics.finite:
        facts.append("all zero")
    elif statistics.finite:
        facts.append(f"{x}∈[{figure(statistics.min)}, {figure(statistics.max)}]")
        facts.append(f"μ={figure(statistics.mean)} σ={figure(statistics.std)}")
    facts += [mark for mark, count in (("+Inf!", statistics.posinf), ("-Inf!", statistics.neginf)) if count]
    facts += ["NaN!"] if statistics.nan else []
    return " ".join(facts)


def short_form(tensor: Tensor, statistics: Statistics) -> str:
    """A tensor in one line: `tensor[3, 196] n=588 x∈[-2.118, 2.640] μ=-0.388 σ=1.073 NaN!`."""
    shape = shape_text(tensor.shape) if tensor.shape else ""
    dtype = "" if tensor.dtype == "float32" else f" {tensor.dtype}"
    return f"tensor{shape}{dtype} n={statistics.count} {summary(statistics)}".rstrip()


def rank_text(spectrum: Spectrum) -> str:
    """The effective rank of a matrix, of how many it could be: `12.3 of 64`; `≤ 12.3 of 64` where it is a bound."""
    most = "" if spectrum.exact else "≤ "
    return f"{most}{spectrum.rank:.1f} of {min(spectrum.rows, spectrum.columns):,}"


def condition_text(spectrum: Spectrum) -> str:
    """The condition number of a matrix, or how much it is at least."""
    return f"{'' if spectrum.exact else '≥ '}{figure(spectrum.condition)}"


def exactness(statistics: Statistics) -> str:
    """Whether all figures are exact, or how far off a quantile may be."""
    return "exact" if statistics.exact else f"quantiles ± {100 * statistics.bound:.2g} %"


def all_figures(statistics: Statistics) -> list[tuple[str, str]]:
    """All figures with their words, the foremost first; those that there are none of are left out."""
    names = ("min", "max", "mean", "std", "norm", "abs_max")
    found = [(name.replace("_", " "), figure(getattr(statistics, name))) for name in names]
    counts = ("zero", statistics.zero), ("NaN", statistics.nan), ("+Inf", statistics.posinf), ("-Inf", statistics.neginf)
    found += [(word, f"{count:,}") for word, count in (*counts, ("denormal", statistics.denormal))]
    if statistics.distinct is not None:
        found.append(("distinct", f"{statistics.distinct:,}"))
    found += [(f"{100 * part:.3g} %", figure(value)) for part, value in statistics.quantiles.items()]
    for name, part in statistics.parts.items():
        found += [(f"{name} {word}", figure(getattr(part, word))) for word in ("min", "max", "mean", "std")]
    return found


def spectrum_figures(spectrum: Spectrum) -> list[tuple[str, str]]:
    """What singular values say, with the words for it."""
    values = spectrum.values
    return [
        ("matrix", f"{spectrum.rows:,} x {spectrum.columns:,}"),
        ("effective rank", rank_text(spectrum)),
        ("condition", condition_text(spectrum)),
        ("largest", figure(float(values[0]))),
        ("smallest", figure(float(values[-1])) if spectrum.exact else "not found"),
        ("energy", "all" if spectrum.exact else f"{spectrum.energy:.1%} in {len(values)} values"),
    ]
