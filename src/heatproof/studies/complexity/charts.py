"""Charts of the study, as Vega-Lite specifications."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from heatproof.report._style import Chart, legend_width
from heatproof.report.charts import specification
from heatproof.theory.complexity import ComplexityRow

__all__ = ["count_chart"]


def count_chart(
    rows: Sequence[ComplexityRow],
    title: str,
    caption: str,
    *,
    logarithmic: bool = True,
    upright: str = "Rademacher complexity",
) -> Chart:
    """Return complexity against N: a line for each way to find it (or each class), bars for intervals."""
    import altair as alt

    one_class = len({row.subject.of for row in rows}) == 1
    values = [_value(row, one_class=one_class, logarithmic=logarithmic) for row in rows]
    labels = list(dict.fromkeys(str(value["group"]) for value in values))
    axis = alt.Axis(values=sorted({row.subject.count for row in rows}))
    apart = alt.Scale(type="log", nice=False, padding=12)
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("count:Q", title="N, number of inputs", scale=apart, axis=axis),
        color=alt.Color("group:N", scale=alt.Scale(domain=labels), legend=alt.Legend(title=None)),
    )
    ends = [0.7 * min(value["value"] for value in values), 1.1 * max(value["high"] for value in values)]
    scale = alt.Scale(type="log", domain=ends, nice=False) if logarithmic else alt.Scale(domain=[0, 1])
    height = alt.Y("value:Q", title=upright, scale=scale)
    line = base.mark_line(strokeWidth=2.25).encode(height)
    dots = base.mark_point(filled=True, size=64, opacity=1).encode(
        height,
        shape=alt.Shape("kind:N", legend=None),
        tooltip=[
            alt.Tooltip("group:N", title=" "),
            alt.Tooltip("kind:N", title="kind"),
            alt.Tooltip("count:Q", title="N"),
            alt.Tooltip("value:Q", title="R"),
        ],
    )
    bars = base.mark_rule(strokeWidth=1.5, clip=True).encode(alt.Y("low:Q", scale=scale), alt.Y2("high:Q"))
    spec = specification(alt.layer(bars, line, dots), title)
    return Chart(title, caption, spec, legend_width(labels))


def _value(row: ComplexityRow, *, one_class: bool, logarithmic: bool) -> dict[str, Any]:
    name = f"{row.name} ({row.kind})" if one_class else row.subject.of.removeprefix("networks by ")
    least = 1e-6 if logarithmic else -math.inf  # a logarithmic axis knows no 0; bars are clipped
    return {
        "group": name,
        "kind": row.kind,
        "count": row.subject.count,
        "value": round(max(row.value, least), 6),
        "low": round(max(row.low, least), 6),
        "high": round(row.top, 6),
    }
