"""Charts of the study, as Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from heatproof.report._style import Chart, legend_width
from heatproof.report.charts import specification
from heatproof.report.contents import DecisionField, ReportContents, RunContents
from heatproof.report.planar import field_charts
from heatproof.studies.half_moons.cells import PICTURE, picture_of
from heatproof.studies.half_moons.words import number, percent

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["curve_chart", "heat_map", "region_charts"]


def heat_map(
    values: Mapping[tuple[float, float], float], title: str, caption: str, ends: tuple[float, float]
) -> Chart:
    """Return a map of shares over (λ, σ²), each square with its number; `ends` of the colours."""
    import altair as alt

    middle = (ends[0] + ends[1]) / 2
    rows = [
        {"weight": number(weight), "diffusivity": number(diffusivity), "share": value, "text": percent(value)}
        for (weight, diffusivity), value in values.items()
    ]
    across = [number(one) for one in sorted({weight for weight, _ in values})]
    upright = [number(one) for one in sorted({diffusivity for _, diffusivity in values}, reverse=True)]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("weight:O", sort=across, title="λ", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("diffusivity:O", sort=upright, title="σ², input² / time"),
    )
    scale = alt.Scale(scheme="blues", domain=list(ends), clamp=True)
    squares = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=scale, legend=None),
        tooltip=[
            alt.Tooltip("weight:O", title="λ"),
            alt.Tooltip("diffusivity:O", title="σ²"),
            alt.Tooltip("text:N", title=title),
        ],
    )
    ink = alt.condition(f"datum.share > {middle:.4f}", alt.value("#ffffff"), alt.value("#1b1f24"))
    words = base.mark_text(fontSize=12).encode(text="text:N", color=ink)
    return Chart(title, caption, specification(alt.layer(squares, words), title))


def curve_chart(study: HalfMoons, curves: Mapping[str, Sequence[float]]) -> Chart:
    """Return robust accuracy versus radius, a line for each contestant."""
    import altair as alt

    names = list(curves)
    radii = (0.0, *study.radii)
    values: list[dict[str, Any]] = [
        {"training": name, "radius": radius, "share": round(value, 5)}
        for name, curve in curves.items()
        for radius, value in zip(radii, curve, strict=True)
    ]
    low = min(value["share"] for value in values)
    height = alt.Y(
        "share:Q",
        title=None,
        axis=alt.Axis(format=".0%"),
        scale=alt.Scale(domain=[0.95 * low, 1.0], nice=False),
    )
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("radius:Q", title="ℓ2 radius", axis=alt.Axis(values=list(radii))),
        y=height,
        color=alt.Color("training:N", scale=alt.Scale(domain=names), legend=alt.Legend(title=None)),
    )
    line = base.mark_line(strokeWidth=2)
    dots = base.mark_point(filled=True, size=54, opacity=1).encode(
        shape=alt.Shape("training:N", scale=alt.Scale(domain=names), legend=alt.Legend(title=None)),
        tooltip=["training:N", "radius:Q", alt.Tooltip("share:Q", format=".3f")],
    )
    title = "Robust accuracy versus radius"
    caption = (
        f"Mean over {study.repeats} repeats, under the exhaustive search; settings chosen at radius "
        f"{number(study.radius)} on validation inputs. The axis does not begin at 0."
    )
    return Chart(title, caption, specification(alt.layer(line, dots), title, height=380), legend_width(names))


def region_charts(ceiling: Mapping[str, Any], pictures: Mapping[str, str]) -> tuple[Chart, ...]:
    """Return the decision field of each stored picture, with the training points."""
    runs = tuple(
        RunContents(name, "", "", {}, decision_field=_field(ceiling, picture_of(text)))
        for name, text in pictures.items()
    )
    return field_charts(ReportContents("", "", ("upper moon", "lower moon"), (), runs))


def _field(ceiling: Mapping[str, Any], values: np.ndarray) -> DecisionField:
    return DecisionField(
        horizontal=PICTURE.horizontal.astype(np.float32),
        vertical=PICTURE.vertical.astype(np.float32),
        probabilities=np.stack([1 - values, values], axis=-1),
        points=np.asarray(ceiling["points"], dtype=np.float32),
        labels=np.asarray(ceiling["labels"], dtype=np.int64),
    )
