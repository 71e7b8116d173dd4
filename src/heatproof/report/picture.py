"""Charts as PNG, for a README or a paper: no browser, no network."""

from __future__ import annotations

from typing import Any

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.report._style import Chart, theme
from heatproof.report.charts import certified_chart, robust_charts
from heatproof.report.contents import ReportContents

__all__ = ["chart_picture", "picture"]

_WIDTH, _HEIGHT = 380, 280
_WIDE = 640


def chart_picture(chart: Chart, *, scale: float = 2.0) -> bytes:
    """Return PNG bytes of one chart under its title, on white; `scale` is pixels a point."""
    import vl_convert

    height = round(_WIDE * chart.aspect) if chart.aspect else chart.spec.get("height", _HEIGHT)
    spec = {
        "$schema": chart.spec["$schema"],
        "config": {**theme("light"), "font": "sans-serif", "background": "white"},
        "padding": 16,
        **_panel(chart),
        "width": _WIDE,
        "height": height,
    }
    image: bytes = vl_convert.vegalite_to_png(spec, scale=scale)
    return image


def picture(contents: ReportContents, *, scale: float = 2.0) -> bytes:
    """Return PNG bytes: certified accuracy and robust accuracy versus radius, side by side, on white.

    `scale` is pixels a point (2: sharp on dense screens). Errors: `InputError` where neither is measured.
    """
    import vl_convert

    certified = certified_chart(contents, interactive=False)
    charts = [*([certified] if certified else []), *robust_charts(contents, interactive=False)]
    if not charts:
        advice = "Run `heatproof certify RUN` or `heatproof attack RUN` first."
        raise InputError(
            message("contents", "nothing measured", "at least one curve", advice), name="contents"
        )
    spec = {
        "$schema": charts[0].spec["$schema"],
        "config": {**theme("light"), "font": "sans-serif", "background": "white"},
        "padding": 16,
        "spacing": 36,
        "resolve": {"scale": {"color": "shared"}},
        "hconcat": [_panel(chart) for chart in charts],
    }
    image: bytes = vl_convert.vegalite_to_png(spec, scale=scale)
    return image


def _panel(chart: Chart) -> dict[str, Any]:
    """Return one chart at a fixed size under its title."""
    inner = {key: value for key, value in chart.spec.items() if key not in {"$schema", "width", "height"}}
    title = {"text": chart.title, "anchor": "start", "fontSize": 15, "offset": 8}
    return {**inner, "width": _WIDTH, "height": _HEIGHT, "title": title}
