"""The evolution of one problem as a figure with a slider for time: found by a solver, and exact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.report._style import Chart, legend_width
from heatproof.report.charts import specification
from heatproof.report.images import png_address
from heatproof.report.shell import render_template

__all__ = ["EvolutionContents", "render_evolution"]

_RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""Five colours of the scale viridis (van der Walt & Smith 2015), told apart by all kinds of colour vision."""
_NAMES = ("found by the solver", "exact")


@dataclass(frozen=True)
class EvolutionContents:
    """What the page shows: u at `times` on a mesh of one or two axes, and what is to be said of it.

    found, exact: (times, *mesh), the first value of u. standard_error: the same shape, where the solver is
    random. words: lines (name, text) for the list under the figures.
    """

    title: str
    equation: str
    lead: str
    times: Float64[np.ndarray, " frames"]
    axes: tuple[Float64[np.ndarray, " _"], ...]
    found: Float64[np.ndarray, "frames *mesh"]
    exact: Float64[np.ndarray, "frames *mesh"]
    standard_error: Float64[np.ndarray, "frames *mesh"] | None = None
    words: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        mesh = (len(self.times), *(len(axis) for axis in self.axes))
        if len(self.axes) not in {1, 2} or len(self.times) < 2 or self.found.shape != mesh:
            got = f"{self.found.shape} values for {mesh} times and places"
            raise InputError(message("evolution", got, "one value each, on one or two axes, at ≥ 2 times"))
        if self.exact.shape != mesh or not np.isfinite(self.found).all() or not np.isfinite(self.exact).all():
            raise InputError(message("evolution", "values that are not finite", "finite values to draw"))

    @property
    def errors(self) -> Float64[np.ndarray, " frames"]:
        """The largest |found − exact| over the mesh, at each time."""
        axes = tuple(range(1, self.found.ndim))
        largest: Float64[np.ndarray, " frames"] = np.abs(self.found - self.exact).max(axis=axes)
        return largest


def render_evolution(contents: EvolutionContents) -> str:
    """Return the page: the figure with its slider and a button that plays it, the error, and a table.

    Cost: 0.95 MB for the libraries, 60 bytes a value on one axis, about 5 kB a frame on two.
    """
    figures = _curves(contents) if len(contents.axes) == 1 else _pictures(contents)
    first, last, step = _clock(contents)
    return render_template(
        "evolution.html",
        contents=contents,
        charts=figures,
        error=_error_chart(contents),
        first=first,
        last=last,
        step=step,
    )


def _curves(contents: EvolutionContents) -> tuple[Chart, ...]:
    import altair as alt

    low, high = _range(contents)
    values = [
        {"t": round(float(t), 6), "x": round(float(x), 5), "u": round(float(u), 6), "kind": name}
        for name, frames in zip(_NAMES, (contents.found, contents.exact), strict=True)
        for t, frame in zip(contents.times, frames, strict=True)
        for x, u in zip(contents.axes[0], frame, strict=True)
    ]
    dashes = alt.Scale(domain=list(_NAMES), range=[[1, 0], [6, 5]])
    line = alt.Chart(alt.InlineData(values=values)).mark_line(strokeWidth=2.5)
    drawn = line.encode(
        x=alt.X("x:Q", title="x", scale=alt.Scale(nice=False, zero=False)),
        y=alt.Y("u:Q", title="u(x, t)", scale=alt.Scale(domain=[low, high], nice=False)),
        color=alt.Color("kind:N", title=None, scale=alt.Scale(domain=list(_NAMES))),
        strokeDash=alt.StrokeDash("kind:N", title=None, scale=dashes),
    )
    spec = specification(_at_time(drawn, contents), "u over x at the chosen time")
    return (Chart("u(x, t)", "", spec, legend_width(_NAMES)),)


def _pictures(contents: EvolutionContents) -> tuple[Chart, ...]:
    """Return a picture a frame, of what was found and of what is exact."""
    pairs = zip(_NAMES, (contents.found, contents.exact), strict=True)
    return tuple(_picture(contents, name, frames) for name, frames in pairs)


def _picture(contents: EvolutionContents, name: str, frames: Float64[np.ndarray, "frames n m"]) -> Chart:
    import altair as alt

    low, high = _range(contents)
    values = [
        {"t": round(float(t), 6), "address": png_address(_pixels(frame, low, high))}
        for t, frame in zip(contents.times, frames, strict=True)
    ]
    image = alt.Chart(alt.InlineData(values=values)).mark_image(
        width=alt.ExprRef("width"), height=alt.ExprRef("height"), aspect=False
    )
    middle = {"x": alt.value(alt.ExprRef("width / 2")), "y": alt.value(alt.ExprRef("height / 2"))}
    drawn = _at_time(image.encode(url="address:N", **middle), contents)
    spec = specification(alt.layer(drawn, _corners(contents, low, high)), f"u over the plane, {name}")
    horizontal, vertical = (float(np.ptp(axis)) for axis in contents.axes)
    return Chart(name, "", spec, 160, min(2.0, max(0.4, vertical / horizontal)))


def _corners(contents: EvolutionContents, low: float, high: float) -> Any:
    """Return two points that nobody sees, for the axes and the legend of the colours."""
    import altair as alt

    ends = [(float(axis[0]), float(axis[-1])) for axis in contents.axes]
    values = [{"x": ends[0][i], "y": ends[1][i], "u": u} for i, u in enumerate((low, high))]
    colours = alt.Scale(domain=[low, high], range=[f"rgb{colour}" for colour in _RAMP], interpolate="rgb")
    scales = [alt.Scale(domain=list(end), nice=False, zero=False) for end in ends]
    plain = alt.Axis(grid=False)
    points = alt.Chart(alt.InlineData(values=values)).mark_point(opacity=0)
    return points.encode(
        x=alt.X("x:Q", title="x₁", scale=scales[0], axis=plain),
        y=alt.Y("y:Q", title="x₂", scale=scales[1], axis=plain),
        color=alt.Color("u:Q", title="u", scale=colours, legend=alt.Legend(direction="horizontal")),
    )


def _pixels(frame: Float64[np.ndarray, "n m"], low: float, high: float) -> np.ndarray:
    """Return the colours of a frame, x₁ to the right, x₂ upwards."""
    share = (np.clip(frame, low, high) - low) / (high - low) * (len(_RAMP) - 1)
    stops = np.arange(len(_RAMP))
    channels = [np.interp(share, stops, [colour[i] for colour in _RAMP]) for i in range(3)]
    opaque = np.full(frame.shape, 255.0)
    pixels = np.stack([*channels, opaque], axis=-1).round().astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 0, 2)[::-1])


def _error_chart(contents: EvolutionContents) -> Chart:
    import altair as alt

    values = [
        {"t": round(float(t), 6), "error": float(f"{error:.4g}")}
        for t, error in zip(contents.times, contents.errors, strict=True)
    ]
    line = alt.Chart(alt.InlineData(values=values)).mark_line(strokeWidth=2.25, point=True)
    drawn = line.encode(
        x=alt.X("t:Q", title="time t", scale=alt.Scale(nice=False)),
        y=alt.Y("error:Q", title="largest |found − exact|", axis=alt.Axis(format=".1~e")),
        tooltip=["t:Q", "error:Q"],
    )
    caption = "Over the places that are drawn."
    if contents.standard_error is not None:
        largest = float(contents.standard_error.max())
        caption += f" The largest standard error of the mean over paths is {largest:.2g}."
    return Chart("Error", caption, specification(drawn, "Error over time", height=220))


def _at_time(chart: Any, contents: EvolutionContents) -> Any:
    """Return the chart with a parameter `time`, which picks the nearest frame; the page's slider sets it."""
    import altair as alt

    first, _, step = _clock(contents)
    time = alt.param(name="time", value=first)
    return chart.add_params(time).transform_filter(f"abs(datum.t - time) <= {step / 2:.9g}")


def _clock(contents: EvolutionContents) -> tuple[float, float, float]:
    """Return the first and the last time and the step between frames."""
    first, last = float(contents.times[0]), float(contents.times[-1])
    return first, last, (last - first) / (len(contents.times) - 1)


def _range(contents: EvolutionContents) -> tuple[float, float]:
    """Return the ends of the scale of u, a little wider than all values."""
    both = np.concatenate([contents.found.ravel(), contents.exact.ravel()])
    low, high = float(both.min()), float(both.max())
    margin = 0.03 * (high - low) or 0.5
    return low - margin, high + margin
