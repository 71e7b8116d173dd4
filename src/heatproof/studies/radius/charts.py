"""Charts of the study, as Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heatproof.report._style import Chart, legend_width
from heatproof.report.charts import specification

__all__ = ["gap_chart"]


def gap_chart(rows: Sequence[dict[str, Any]]) -> Chart:
    """Return the quantiles of certified over exact radius at each distance, a line for each dimension."""
    import altair as alt

    values = [
        {
            "d": f"d = {row['dimension']}",
            "share": row["share"],
            "ratio": round(row["radius"] / row["distance"], 5),
        }
        for row in rows
        if row["radius"] > 0
    ]
    labels = list(dict.fromkeys(value["d"] for value in values))
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("share:Q", title="distance / noise_std", scale=alt.Scale(zero=True)),
        color=alt.Color("d:N", scale=alt.Scale(domain=labels), legend=alt.Legend(title=None)),
    )
    y = alt.Y("ratio:Q", title="certified / exact radius", scale=alt.Scale(domain=[0, 1.05], clamp=True))
    dots = base.mark_point(filled=True, size=22, opacity=0.35).encode(y)
    line = base.mark_line(strokeWidth=2).encode(alt.Y("median(ratio):Q"))
    truth = alt.Chart(alt.InlineData(values=[{"at": 1}])).mark_rule(strokeDash=[4, 4]).encode(alt.Y("at:Q"))
    caption = (
        "One dot for each certificate, lines through the medians. The dashed line is the truth: no dot may "
        "lie above it."
    )
    spec = specification(alt.layer(truth, dots, line), "Certified over exact radius of half-spaces")
    return Chart("Half-spaces: certified over exact radius", caption, spec, legend_width(labels))
