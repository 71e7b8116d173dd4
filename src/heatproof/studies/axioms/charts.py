"""Charts of the study, as Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heatproof.report._style import Chart, legend_width
from heatproof.report.charts import specification

__all__ = ["locality_chart", "recovery_chart"]

_SMALLEST = 1e-12
"""Differences below this are rounding and are not drawn."""


def locality_chart(curves: Mapping[str, Sequence[Sequence[float]]]) -> Chart:
    """Return the largest difference found between functions that are equal near x, against η."""
    import altair as alt

    values = [
        {"group": name, "eta": eta, "difference": difference}
        for name, curve in curves.items()
        for eta, difference in curve
        if difference > _SMALLEST
    ]
    labels = list(dict.fromkeys(str(value["group"]) for value in values))
    steps = sorted({eta for curve in curves.values() for eta, _ in curve})
    asked = [{"eta": eta, "difference": eta} for eta in (steps[0], steps[-1])]
    x = alt.X("eta:Q", title="η", scale=alt.Scale(type="log", nice=False))
    y = alt.Y("difference:Q", title="|T f − T g|(x)", scale=alt.Scale(type="log"), axis=alt.Axis(format="~e"))
    line = alt.Chart(alt.InlineData(values=values)).mark_line(strokeWidth=2, point=True)
    line = line.encode(
        x, y, alt.Color("group:N", scale=alt.Scale(domain=labels), legend=alt.Legend(title=None))
    )
    edge = alt.Chart(alt.InlineData(values=asked)).mark_line(strokeDash=[5, 4], strokeWidth=1.5, color="gray")
    title = "Locality: what far away does to x within η"
    caption = (
        "Largest difference found between functions that agree near x. Dashed: η itself; an evolution must "
        "fall faster. Characteristics have no difference, and no line."
    )
    return Chart(
        title, caption, specification(alt.layer(edge.encode(x, y), line), title), legend_width(labels)
    )


def recovery_chart(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Return recovered over stated tr A, with intervals, for each block of each network."""
    import altair as alt

    values = [
        {
            "group": f"{row['recipe']}, {row['kind']}",
            "stated": row["stated"],
            "ratio": row["value"] / row["stated"],
            "low": row["low"] / row["stated"],
            "high": row["high"] / row["stated"],
        }
        for row in rows
    ]
    labels = list(dict.fromkeys(str(value["group"]) for value in values))
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("stated:Q", title="tr A by the layer's formula", scale=alt.Scale(type="log", padding=12)),
        color=alt.Color("group:N", scale=alt.Scale(domain=labels), legend=alt.Legend(title=None)),
    )
    bars = base.mark_rule(strokeWidth=1.5).encode(
        alt.Y("low:Q", scale=alt.Scale(zero=False)), alt.Y2("high:Q")
    )
    dots = base.mark_point(filled=True, size=40, opacity=1).encode(
        alt.Y("ratio:Q", title="recovered / formula", scale=alt.Scale(zero=False))
    )
    edge = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(strokeDash=[5, 4], strokeWidth=1.5)
    title = "Diffusion recovered from noisy networks"
    caption = (
        "Each dot: a block at a state, tr A from the network as a black box over that of the noise layer's "
        "formula, C/(2Δt). Bars: 99.9 % intervals over seeds of its own. Dashed: equal."
    )
    spec = specification(alt.layer(edge.encode(alt.Y("one:Q")), bars, dots), title)
    return Chart(title, caption, spec, legend_width(labels))
