"""Colours, sizes and scales that all charts of a page share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CLASS_COLOURS", "DASHES", "RUN_COLOURS", "Chart", "legend_width", "run_colour", "theme"]

RUN_COLOURS = {
    "light": ("#0072b2", "#d55e00", "#009e73", "#b3548c", "#b07c00", "#3a3a3a", "#3a8fc4", "#7a5195"),
    "dark": ("#56a8e0", "#f0803c", "#2fc295", "#de8cb8", "#e8b13a", "#d0d0d0", "#9ad0f5", "#b48fd6"),
}
"""After Okabe & Ito (2008), a palette for all kinds of colour vision, darkened or lightened for contrast."""

CLASS_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999999")
"""Paul Tol's "bright" scheme (2021), for classes: another palette, as a class is not a run."""

DASHES = ([1, 0], [7, 3], [2, 3], [10, 3, 2, 3], [5, 2, 1, 2, 1, 2], [1, 5])
_LEGEND_LIMIT = 250
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_INK = {
    "light": {
        "text": "#24292f",
        "faint": "#57606a",
        "grid": "#e4e7ea",
        "line": "#9aa2aa",
        "ground": "#ffffff",
    },
    "dark": {
        "text": "#e6e9ec",
        "faint": "#a9b1ba",
        "grid": "#30363d",
        "line": "#6e7681",
        "ground": "#161b22",
    },
}


@dataclass(frozen=True)
class Chart:
    """One chart: a Vega-Lite specification (plain JSON values) with a title and a sentence about it.

    `aspect` is height over width where the chart has to keep it, else None. `legend` is the width in pixels
    of the longest legend entry: the page puts as many in a row as fit.
    """

    title: str
    caption: str
    spec: dict[str, Any]
    legend: int = 0
    aspect: float | None = None


def theme(name: str) -> dict[str, Any]:
    """Return the Vega-Lite configuration of the "light" or the "dark" page."""
    ink = _INK[name]
    words = {"labelColor": ink["faint"], "titleColor": ink["text"], "labelFontSize": 12, "titleFontSize": 13}
    return {
        "font": _FONT,
        "background": "transparent",
        "range": {"category": list(RUN_COLOURS[name])},
        "view": {"stroke": None},
        "axis": {
            **words,
            "titleFontWeight": 500,
            "titlePadding": 8,
            "gridColor": ink["grid"],
            "domainColor": ink["line"],
            "tickColor": ink["line"],
            "labelOverlap": True,
            "labelSeparation": 6,
        },
        "legend": {
            **words,
            "labelColor": ink["text"],
            "labelLimit": _LEGEND_LIMIT,
            "symbolStrokeWidth": 2.5,
            "symbolOpacity": 1,
            "orient": "top",
            "layout": {"top": {"direction": "vertical", "anchor": "start", "margin": 4}},
        },
        "rule": {"color": ink["line"]},
        "style": {"edge": {"stroke": ink["ground"]}},
    }


def run_colour(labels: Sequence[str], *, shown: bool = True) -> Any:
    """Return the colour channel of the field "run": the same colour for a run in every chart.

    The scale is the page's own palette, by place in `labels`; colours repeat after eight runs.
    """
    import altair as alt

    scale = alt.Scale(domain=list(labels))
    return alt.Color("run:N", scale=scale, legend=alt.Legend(title=None) if shown else None)


def legend_width(labels: Sequence[str]) -> int:
    """Return about how many pixels the longest entry of a legend takes, symbol and gap included."""
    return min(_LEGEND_LIMIT, 8 * max(map(len, labels), default=0)) + 36
