"""The decision field of a classifier of points in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.report._style import CLASS_COLOURS, Chart, legend_width
from heatproof.report.charts import specification
from heatproof.report.contents import DecisionField, ReportContents
from heatproof.report.images import png_address
from heatproof.report.summary import run_labels

__all__ = ["field_charts", "field_pixels"]

_MOST_POINTS = 800
_FAINTEST, _STRONGEST = 0.10, 0.72


def field_charts(contents: ReportContents) -> tuple[Chart, ...]:
    """Return one chart a run that has a decision field, with the training points on it.

    Colour: the class of the largest probability. Strength: that probability, from 1/K (faint) to 1. Of more
    than 800 training points every k-th is drawn.
    """
    pairs = zip(run_labels(contents), contents.runs, strict=True)
    return tuple(
        _field_chart(label, run.decision_field, _names(contents, run.decision_field))
        for label, run in pairs
        if run.decision_field is not None
    )


def field_pixels(field: DecisionField) -> UInt8[np.ndarray, "height width 4"]:
    """Return the field as red, green, blue and opacity, its first row at the top (largest vertical)."""
    best = field.probabilities.max(axis=-1)
    classes = field.probabilities.shape[-1]
    surety = np.clip((best - 1.0 / classes) / (1.0 - 1.0 / classes), 0.0, 1.0) if classes > 1 else best
    palette = np.asarray([_channels(place) for place in range(classes)], dtype=np.uint8)
    opacity = 255 * (_FAINTEST + (_STRONGEST - _FAINTEST) * surety)
    pixels = np.concatenate(
        [palette[field.probabilities.argmax(axis=-1)], opacity.astype(np.uint8)[..., None]], axis=-1
    )
    flips = (
        -1 if field.vertical[-1] > field.vertical[0] else 1,
        1 if field.horizontal[-1] > field.horizontal[0] else -1,
    )
    return np.ascontiguousarray(pixels[:: flips[0], :: flips[1]])


def _field_chart(label: str, field: DecisionField, names: Sequence[str]) -> Chart:
    import altair as alt

    _check(field)
    x, y = _axis("x₁", field.horizontal), _axis("x₂", field.vertical)
    ground = (
        alt.Chart(alt.InlineData(values=[{"address": png_address(field_pixels(field))}]))
        .mark_image(width=alt.ExprRef("width"), height=alt.ExprRef("height"), aspect=False)
        .encode(
            url="address:N",
            x=alt.value(alt.ExprRef("width / 2")),
            y=alt.value(alt.ExprRef("height / 2")),
        )
    )
    colours = [CLASS_COLOURS[place % len(CLASS_COLOURS)] for place in range(len(names))]
    scale = alt.Scale(domain=list(names), range=colours)
    points = (
        alt.Chart(alt.InlineData(values=_points(field, names)))
        .mark_point(filled=True, size=34, opacity=0.95, strokeWidth=0.8, style="edge", clip=True)
        .encode(
            x=alt.X("x:Q", **x),
            y=alt.Y("y:Q", **y),
            fill=alt.Fill("class:N", scale=scale, title=None),
            shape=alt.Shape("class:N", scale=alt.Scale(domain=list(names)), title=None),
            tooltip=["class:N", alt.Tooltip("x:Q", format=".3f"), alt.Tooltip("y:Q", format=".3f")],
        )
    )
    spec = specification(alt.layer(ground, points), f"Decision field of {label}")
    return Chart(label, "", spec, legend_width(names), _aspect(field))


def _points(field: DecisionField, names: Sequence[str]) -> list[dict[str, Any]]:
    stride = max(1, math.ceil(len(field.points) / _MOST_POINTS))
    chosen = zip(field.points[::stride].tolist(), field.labels[::stride].tolist(), strict=True)
    return [{"x": x, "y": y, "class": names[label]} for (x, y), label in chosen]


def _axis(title: str, places: np.ndarray) -> dict[str, Any]:
    import altair as alt

    ends = [float(places.min()), float(places.max())]
    scale = alt.Scale(domain=ends, nice=False, zero=False)
    return {"title": title, "scale": scale, "axis": alt.Axis(grid=False, tickCount=5)}


def _aspect(field: DecisionField) -> float:
    width, height = float(np.ptp(field.horizontal)), float(np.ptp(field.vertical))
    return min(2.0, max(0.4, height / width))


def _names(contents: ReportContents, field: DecisionField | None) -> list[str]:
    """Return a distinct name for each class of the field."""
    classes = 0 if field is None else field.probabilities.shape[-1]
    given = list(contents.class_names[:classes])
    names = [*given, *(f"class {place}" for place in range(len(given), classes))]
    return [name if names.count(name) == 1 else f"{name} ({place})" for place, name in enumerate(names)]


def _channels(place: int) -> tuple[int, int, int]:
    colour = CLASS_COLOURS[place % len(CLASS_COLOURS)]
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _check(field: DecisionField) -> None:
    """Raise `InputError` unless the field is finite, has two places a side and labels that it knows."""
    height, width, classes = field.probabilities.shape
    if min(height, width) < 2 or np.ptp(field.horizontal) == 0 or np.ptp(field.vertical) == 0:
        got = f"{height} × {width} places"
        raise InputError(message("decision_field", got, "two different places a side"), name="decision_field")
    if not (np.isfinite(field.probabilities).all() and np.isfinite(field.points).all()):
        raise InputError(
            message("decision_field", "NaN or infinity", "finite numbers"), name="decision_field"
        )
    if len(field.labels) and not (field.labels.min() >= 0 and field.labels.max() < classes):
        got = f"labels {field.labels.min()}…{field.labels.max()}"
        raise InputError(message("decision_field", got, f"0…{classes - 1}"), name="decision_field")
