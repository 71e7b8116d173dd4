"""Charts of the study, as Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from heatproof.report._style import Chart, legend_width
from heatproof.report.charts import specification
from heatproof.studies.diffusivity.judging import Stored
from heatproof.studies.diffusivity.kinds import KINDS, Kind
from heatproof.studies.diffusivity.tables import over_trainings

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["blocks_chart", "layer_chart", "spectrum_chart"]

_NAMES = [kind.words for kind in KINDS]
_BESIDE = 0.05
"""How far dots of neighbouring kinds stand apart: a share of a layer, or of an octave."""
_TINY = 1e-3
"""Eigenvalues below this share of the mean one are left out of the figure."""


def layer_chart(
    study: Diffusivity,
    found: dict[Kind, list[Stored]],
    quantity: str,
    *,
    title: str,
    caption: str,
    upright: str,
) -> Chart:
    """Return a quantity by layer, a line and bars for each kind of noise."""
    import altair as alt

    unit = study.width if quantity == "effective_rank" else 1
    values = [value for kind, runs in found.items() for value in _by_layer(kind, runs, quantity, unit)]
    axis = alt.Axis(values=list(range(1, study.depth + 1)), format="d")
    across = alt.Scale(domain=[0.7, study.depth + 0.3], nice=False)
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("at:Q", title="layer, the first next to the input", axis=axis, scale=across),
        color=_colour(_NAMES),
    )
    height = alt.Scale(type="log")
    if quantity == "effective_rank":
        height = alt.Scale(type="log", domain=[0.8 / study.width, 1.25], nice=False)
    return _lined(base, title, caption, upright=upright, scale=height)


def spectrum_chart(study: Diffusivity, found: dict[Kind, list[Stored]]) -> Chart:
    """Return the spectrum of the middle layer of the first training, formula and estimate from below."""
    import altair as alt

    values = [value for kind, runs in found.items() for value in _spectrum(study, kind, runs[0])]
    across = alt.Scale(type="log", domain=[0.85, 1.15 * study.width], nice=False)
    axes = {
        "x": alt.X("at:Q", title="eigenvalue, largest first", scale=across),
        "y": alt.Y("share:Q", title="eigenvalue / mean eigenvalue", scale=alt.Scale(type="log")),
        "color": _colour(_NAMES),
    }
    base = alt.Chart(alt.InlineData(values=values)).encode(**axes)
    line = base.mark_line(strokeWidth=1.5, strokeDash=[5, 3]).transform_filter("datum.source == 'formula'")
    dots = base.mark_point(filled=True, size=34, opacity=0.9).transform_filter("datum.source == 'held out'")
    dots = dots.encode(
        shape=_shape(_NAMES),
        tooltip=[alt.Tooltip("noise:N", title=" "), alt.Tooltip("share:Q", format=".3f")],
    )
    title = f"Spectrum of A in layer {study.depth // 2 + 1}"
    caption = (
        "Means over inputs of sorted eigenvalues, over the mean one, tr A/d; isotropic noise lies at 1. "
        "Dots: variances of one half of the draws along eigenvectors of the other, which are too small in "
        f"their sums from the largest on. Dashed: the formula. Noise along one direction has one eigenvalue, "
        f"d = {study.width} times the mean. Below {_TINY:g} nothing is shown."
    )
    return Chart(title, caption, specification(alt.layer(line, dots), title), legend_width(_NAMES))


def blocks_chart(rows: Sequence[Stored], title: str, caption: str) -> Chart:
    """Return ½ΣC against the number of blocks, a line for each kind (`noise`, `blocks`, value and ends)."""
    import altair as alt

    names = list(dict.fromkeys(str(row["noise"]) for row in rows))
    axis = alt.Axis(values=sorted({row["blocks"] for row in rows}), format="d")
    across = alt.Scale(type="log", nice=False, padding=16)
    values = [{**row, "at": row["blocks"] * 2 ** (_BESIDE * _place(names, row["noise"]))} for row in rows]
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("at:Q", title="blocks in one unit of time, 1/Δt", axis=axis, scale=across),
        color=_colour(names),
    )
    return _lined(base, title, caption, upright="½ΣC/d", scale=alt.Scale(type="log"), names=names)


def _lined(
    base: Any, title: str, caption: str, *, upright: str, scale: Any, names: Sequence[str] = _NAMES
) -> Chart:
    """Return a chart of value, low and high."""
    import altair as alt

    axis = alt.Axis(values=[digit * 10.0**power for power in range(-9, 10) for digit in (1, 2, 5)])
    height = alt.Y("value:Q", title=upright, scale=scale, axis=axis)
    line = base.mark_line(strokeWidth=1.5).encode(height)
    bars = base.mark_rule(strokeWidth=1.5).encode(alt.Y("low:Q", scale=scale), alt.Y2("high:Q"))
    dots = base.mark_point(filled=True, size=44, opacity=1).encode(
        height,
        shape=_shape(names),
        tooltip=[
            alt.Tooltip("noise:N", title=" "),
            alt.Tooltip("value:Q", format=".3g"),
            alt.Tooltip("low:Q", format=".3g"),
            alt.Tooltip("high:Q", format=".3g"),
        ],
    )
    return Chart(title, caption, specification(alt.layer(bars, line, dots), title), legend_width(names))


def _by_layer(kind: Kind, runs: Sequence[Stored], quantity: str, unit: float) -> Iterator[dict[str, Any]]:
    by_layer = zip(*(run["measured"]["layers"] for run in runs), strict=True)
    for number, same in enumerate(by_layer, 1):
        ends = over_trainings([layer[quantity] for layer in same])
        values = {"value": ends.value / unit, "low": ends.low / unit, "high": ends.high / unit}
        values["low"] = max(values["low"], values["value"] / 10)  # a logarithmic axis knows no 0
        at = number + _BESIDE * _place(_NAMES, kind.words)
        yield {"noise": kind.words, "at": at, **{end: _short(one) for end, one in values.items()}}


def _spectrum(study: Diffusivity, kind: Kind, run: Stored) -> Iterator[dict[str, Any]]:
    layer = run["measured"]["layers"][study.depth // 2]
    said, mean = layer["formula"], layer["mean_diffusivity"]["value"]
    sources = {"held out": layer["held_out"], "formula": () if said is None else said["eigenvalues"]}
    for source, eigenvalues in sources.items():
        for number, value in enumerate(eigenvalues, 1):
            if value >= _TINY * mean:
                beside = 2 ** (_BESIDE * _place(_NAMES, kind.words)) if source == "held out" else 1
                at, share = _short(number * beside), _short(value / mean)
                yield {"noise": kind.words, "source": source, "at": at, "share": share}


def _colour(names: Sequence[str]) -> Any:
    import altair as alt

    return alt.Color("noise:N", scale=alt.Scale(domain=list(names)), legend=alt.Legend(title=None))


def _shape(names: Sequence[str]) -> Any:
    import altair as alt

    return alt.Shape("noise:N", scale=alt.Scale(domain=list(names)), legend=alt.Legend(title=None))


def _place(names: Sequence[str], name: str) -> float:
    """Return the place among the kinds, counted from the middle."""
    return names.index(name) - (len(names) - 1) / 2


def _short(value: float) -> float:
    return float(f"{value:.5g}")
