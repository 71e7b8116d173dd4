"""Charts of the study, as Vega-Lite specifications."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from heatproof._intervals import proportion
from heatproof.report._style import CLASS_COLOURS, Chart, legend_width
from heatproof.report.charts import specification
from heatproof.studies.radius.plane import Region

__all__ = ["broken_chart", "gap_chart", "map_chart", "ratio_chart", "truth_chart"]

_GRID = 72
"""Squares a side in the picture of a region."""


def gap_chart(rows: Sequence[dict[str, Any]]) -> Chart:
    """Return the spread of certified over exact radius at each distance, a box for each dimension."""
    import altair as alt

    values = [
        {
            "d": f"d = {row['dimension']}",
            "at": f"{row['share']:g}",
            "ratio": round(row["radius"] / row["distance"], 4),
        }
        for row in rows
        if row["radius"] > 0
    ]
    labels = list(dict.fromkeys(str(value["d"]) for value in values))
    boxes = alt.Chart(alt.InlineData(values=values)).mark_boxplot(extent="min-max", size=14)
    boxes = boxes.encode(
        x=alt.X("at:O", title="distance / noise_std", sort=None, axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("d:N", sort=labels),
        y=alt.Y("ratio:Q", title="certified / exact radius", scale=alt.Scale(domain=[0, 1.05], nice=False)),
        color=alt.Color("d:N", scale=alt.Scale(domain=labels), legend=alt.Legend(title=None)),
    )
    title = "Half-spaces: certified over exact radius"
    caption = (
        "Boxes: quartiles and median of the certificates that answer, whiskers to the ends. Above the dashed "
        "line, the truth, none may lie but with probability α."
    )
    return Chart(title, caption, specification(alt.layer(_truth(), boxes), title), legend_width(labels))


def _truth() -> Any:
    """Return a dashed line where claimed and true radius are equal."""
    import altair as alt

    one = alt.Chart(alt.InlineData(values=[{"one": 1}]))
    return one.mark_rule(strokeDash=[5, 4], strokeWidth=1.5).encode(alt.Y("one:Q"))


def truth_chart(rows: Sequence[dict[str, Any]]) -> Chart:
    """Return formula (3) over the true radius, against the true radius, for each region."""
    names = {"pixels": "random map", "quadrants": "quadrants", "ring": "ring"}
    values = [
        {
            "group": names[row["kind"]],
            "at": round(row["low"] / row["noise_std"], 4),
            "ratio": round(row["heat"] / row["low"], 4),
        }
        for row in rows
    ]
    return ratio_chart(
        values,
        "The plane: formula (3) over true radius",
        "One dot for each point. The formula meets the truth where the boundary is flat at the scale of the "
        "noise, and stays below it elsewhere.",
        x="true radius / noise_std",
        y="formula (3) / true radius",
    )


def ratio_chart(values: Sequence[dict[str, Any]], title: str, caption: str, *, x: str, y: str) -> Chart:
    """Return a scatter of `ratio` over `at`, coloured by `group`, with the truth as a dashed line at 1."""
    import altair as alt

    labels = list(dict.fromkeys(str(value["group"]) for value in values))
    upright = alt.Y("ratio:Q", title=y, scale=alt.Scale(domain=[0, 1.05], nice=False))
    dots = alt.Chart(alt.InlineData(values=list(values))).mark_point(filled=True, size=26, opacity=0.45)
    dots = dots.encode(
        alt.X("at:Q", title=x, scale=alt.Scale(zero=True)),
        upright,
        alt.Color("group:N", scale=alt.Scale(domain=labels), legend=alt.Legend(title=None)),
        tooltip=[
            alt.Tooltip("group:N", title=" "),
            alt.Tooltip("at:Q", title=x),
            alt.Tooltip("ratio:Q", title=y),
        ],
    )
    return Chart(title, caption, specification(alt.layer(_truth(), dots), title), legend_width(labels))


def broken_chart(counts: Sequence[tuple[str, float, int, int]]) -> Chart:
    """Return the share broken (name, multiple, count, trials) with its 95 % interval, at each multiple."""
    import altair as alt

    values = [
        {"group": name, "at": multiple, "share": share.value, "low": share.low, "high": share.high}
        for name, multiple, count, trials in counts
        for share in (proportion(count, trials),)
    ]
    labels = list(dict.fromkeys(name for name, *_ in counts))
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("at:Q", title="radius of the attack / certified radius", scale=alt.Scale(zero=False)),
        color=alt.Color("group:N", scale=alt.Scale(domain=labels), legend=alt.Legend(title=None)),
    )
    upright = alt.Y("share:Q", title="share of certificates broken", axis=alt.Axis(format=".0%"))
    bars = base.mark_rule(strokeWidth=1.5).encode(
        alt.Y("low:Q", scale=alt.Scale(domain=[0, 1])), alt.Y2("high:Q")
    )
    line = base.mark_line(strokeWidth=2, point=True).encode(upright)
    edge = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(strokeDash=[5, 4], strokeWidth=1.5)
    title = "Share of certificates broken, by radius of the attack"
    caption = "Bars: 95 % (Clopper–Pearson). At the dashed line, the certified radius, nothing may break."
    spec = specification(alt.layer(edge.encode(alt.X("one:Q")), bars, line), title)
    return Chart(title, caption, spec, legend_width(labels))


def map_chart(region: Region, rows: Sequence[dict[str, Any]]) -> Chart:
    """Return the smoothed classes of a region with certified and true circles round some points."""
    import altair as alt

    edge = region.extent + 0.5
    scale = alt.Scale(domain=[-edge, edge], nice=False)
    place = {"x": alt.X("x:Q", title="x₁", scale=scale), "y": alt.Y("y:Q", title="x₂", scale=scale)}
    dots = [{"x": row["x"][0], "y": row["x"][1]} for row in rows]
    middle = alt.Chart(alt.InlineData(values=dots)).mark_point(filled=True, size=18, color="black")
    layers = alt.layer(
        _coloured(region, edge).encode(**place), _rings(rows).encode(**place), middle.encode(**place)
    )
    title = f"A random map, noise_std {region.s:g}: certified and true radii"
    caption = (
        "Colour: the class that smoothing answers, strength: its probability. Solid circles: formula (3); "
        "dashed: the true radius, which touches the nearest change of colour."
    )
    white = alt.ViewBackground(fill="white")
    spec = specification(layers.properties(view=white), title, height=None)
    return Chart(title, caption, spec, legend_width(["certified, formula (3)"]), aspect=1.0)


def _coloured(region: Region, edge: float) -> Any:
    """Return small squares with the colour of the class and the strength of its probability."""
    import altair as alt

    colours = alt.Scale(domain=[0, 1, 2], range=list(CLASS_COLOURS[:3]))
    strength = alt.Scale(domain=[0.33, 1], range=[0.12, 0.75])
    return (
        alt.Chart(alt.InlineData(values=_field(region, edge)))
        .mark_rect(clip=True)
        .encode(
            x2="x2:Q",
            y2="y2:Q",
            color=alt.Color("class:N", scale=colours, legend=None),
            opacity=alt.Opacity("p:Q", scale=strength, legend=None),
        )
    )


def _rings(rows: Sequence[dict[str, Any]]) -> Any:
    """Return the circles: solid where certified, dashed where true."""
    import altair as alt

    dashes = alt.Scale(domain=["certified, formula (3)", "true"], range=[[1, 0], [4, 3]])
    return (
        alt.Chart(alt.InlineData(values=list(_circles(rows))))
        .mark_line(strokeWidth=1.8, clip=True)
        .encode(
            order="turn:Q",
            detail="point:N",
            strokeDash=alt.StrokeDash(
                "radius:N", scale=dashes, legend=alt.Legend(title=None, symbolStrokeColor="gray")
            ),
            color=alt.value("black"),
        )
    )


def _field(region: Region, edge: float) -> list[dict[str, float]]:
    sides = np.linspace(-edge, edge, _GRID + 1)
    middles = (sides[1:] + sides[:-1]) / 2
    points = np.stack(np.meshgrid(middles, middles, indexing="ij"), axis=-1).reshape(-1, 2)
    scores = region.scores(points)
    step = float(sides[1] - sides[0])
    return [
        {
            "x": round(float(x) - step / 2, 4),
            "x2": round(float(x) + step / 2, 4),
            "y": round(float(y) - step / 2, 4),
            "y2": round(float(y) + step / 2, 4),
            "class": int(one.argmax()),
            "p": round(float(one.max()), 2),
        }
        for (x, y), one in zip(points, scores, strict=True)
    ]


def _circles(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    turns = 49
    kinds = (("certified, formula (3)", "heat"), ("true", "low"))
    return [
        {
            "point": f"{number} {name}",
            "radius": label,
            "turn": turn,
            "x": round(row["x"][0] + row[name] * math.cos(2 * math.pi * turn / (turns - 1)), 4),
            "y": round(row["x"][1] + row[name] * math.sin(2 * math.pi * turn / (turns - 1)), 4),
        }
        for (number, row), (label, name), turn in itertools.product(enumerate(rows), kinds, range(turns))
    ]
