"""Certified accuracy versus radius, as an altair chart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from jaxtyping import Float64

from heatproof._intervals import lower_bounds

__all__ = ["certified_chart", "certified_steps"]

_STEPS = 400
_TAIL = 0.025


def certified_steps(kept: Float64[np.ndarray, " kept"], trials: int) -> list[dict[str, float]]:
    """Return the curve share(r) = #{radius ≥ r}/trials as points of a step function, with 95 % bands.

    `kept` are the radii of the inputs that count. The share at a point holds from just after the point
    before it up to and including it; at 0 that is all of `kept`. Of more than 400 different radii every
    so manieth is kept, so that the curve never overstates.
    """
    ordered = np.sort(kept)
    places = np.unique(ordered[(ordered > 0) & np.isfinite(ordered)])
    size = max(1, math.ceil(len(places) / _STEPS))
    places = places[::-1][::size][::-1]  # the largest stays
    end = 1.04 * float(places[-1]) if len(places) else 1.0
    radius = np.concatenate([[0.0], places, [end]])
    counts = len(ordered) - np.searchsorted(ordered, radius, side="left").astype(np.int64)
    low = lower_bounds(counts, trials, _TAIL)
    high = 1.0 - lower_bounds(trials - counts, trials, _TAIL)
    rows = zip(radius, counts / trials, low, high, strict=True)
    return [_point(*map(float, row)) for row in rows]


def certified_chart(kept: Float64[np.ndarray, " kept"], trials: int, *, title: str, radius_title: str) -> Any:
    """Return the chart: a step line with its pointwise 95 % band."""
    import altair as alt

    values = certified_steps(kept, trials)
    x = alt.X("radius:Q", title=radius_title, scale=alt.Scale(domain=[0, values[-1]["radius"]], nice=False))
    base = alt.Chart(alt.InlineData(values=values)).encode(x=x)
    tooltip = [alt.Tooltip("radius:Q", format=".4~g")]
    tooltip += [alt.Tooltip(f"{name}:Q", format=".1%") for name in ("share", "low", "high")]
    band = base.mark_area(interpolate="step-before", opacity=0.2).encode(
        _share("low", title), alt.Y2("high:Q")
    )
    line = base.mark_line(interpolate="step-before").encode(_share("share", title), tooltip=tooltip)
    return alt.layer(band, line).properties(width=420, height=260)


def _share(field: str, title: str) -> Any:
    import altair as alt

    axis = alt.Axis(format=".0%", tickCount=5)
    return alt.Y(f"{field}:Q", title=title, scale=alt.Scale(domain=[0, 1]), axis=axis)


def _point(radius: float, share: float, low: float, high: float) -> dict[str, float]:
    return {"radius": radius, "share": round(share, 5), "low": round(low, 5), "high": round(high, 5)}
