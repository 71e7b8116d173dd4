"""Charts of the training curves: the loss and its parts a run, and accuracies of all runs together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from heatproof.report._style import DASHES, Chart, legend_width, run_colour
from heatproof.report.charts import specification
from heatproof.report.contents import ReportContents
from heatproof.report.summary import run_labels

__all__ = ["accuracy_chart", "loss_charts"]

_HEIGHT = 240
_LOG_RATIO = 20.0
_MOST_POINTS = 400
_FEW_EPOCHS = 8
_NOT_DRAWN = ("learning_rate", "seconds")


def loss_charts(contents: ReportContents) -> tuple[Chart, ...]:
    """Return one chart a run with the loss and its parts by epoch, in the run's colour, a dash a part.

    The axis is logarithmic where all values are positive and span more than a factor of 20.
    """
    labels = run_labels(contents)
    charts = (_loss_chart(contents, label) for label in labels)
    return tuple(chart for chart in charts if chart is not None)


def accuracy_chart(contents: ReportContents) -> Chart | None:
    """Return the accuracies of all runs by epoch, a colour a run and a dash a kind; None without any."""
    values = list(_values(contents, _is_accuracy))
    if not values:
        return None
    kinds = list(dict.fromkeys(value["part"] for value in values))
    spec = _lines(contents, values, kinds, percent=True)
    return Chart(
        "Accuracy while training",
        "Accuracy of the network in one pass, by epoch.",
        spec,
        _legend(contents, kinds),
    )


def _loss_chart(contents: ReportContents, label: str) -> Chart | None:
    every = _values(contents, _is_loss)
    values = [value for value in every if value["run"] == label]
    if not values:
        return None
    names = dict.fromkeys(value["part"] for value in values)
    parts = sorted(names, key=lambda name: name != "total")
    return Chart(label, "", _lines(contents, values, parts, percent=False), legend_width(parts))


def _values(contents: ReportContents, wanted: Callable[[str], bool]) -> Iterator[dict[str, Any]]:
    for label, run in zip(run_labels(contents), contents.runs, strict=True):
        stride = max(1, math.ceil(len(run.curves) / _MOST_POINTS))
        for point in run.curves[::stride]:
            for name, value in point.values.items():
                if wanted(name) and math.isfinite(value):
                    yield {
                        "run": label,
                        "epoch": point.epoch,
                        "part": name.replace("_", " "),
                        "value": float(value),
                    }


def _lines(
    contents: ReportContents, values: Sequence[dict[str, Any]], parts: Sequence[str], *, percent: bool
) -> dict[str, Any]:
    import altair as alt

    dashes = [DASHES[place % len(DASHES)] for place in range(len(parts))]
    scale = alt.Scale(domain=list(parts), range=dashes)
    keys = alt.Legend(title=None, symbolType="stroke", symbolSize=700, symbolStrokeWidth=2)
    chart = (
        alt.Chart(alt.InlineData(values=list(values)))
        .mark_line(strokeWidth=2, point=_has_lone_point(values))
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=_epochs(values)),
            y=_height(values, percent=percent),
            color=run_colour(run_labels(contents), shown=percent),
            strokeDash=alt.StrokeDash("part:N", scale=scale, legend=keys),
            tooltip=[alt.Tooltip(name) for name in ("run:N", "epoch:Q", "part:N", "value:Q")],
        )
    )
    return specification(chart, "Training curves", height=_HEIGHT)


def _epochs(values: Sequence[dict[str, Any]]) -> Any:
    """Return an axis with ticks at whole epochs only."""
    import altair as alt

    places = sorted({value["epoch"] for value in values})
    few = len(places) <= _FEW_EPOCHS
    return alt.Axis(format="d", values=places) if few else alt.Axis(format="d", tickMinStep=1)


def _has_lone_point(values: Sequence[dict[str, Any]]) -> bool:
    """Return whether some line has one point only, which a line alone would not show."""
    lengths = Counter((value["run"], value["part"]) for value in values)
    return min(lengths.values()) == 1


def _height(values: Sequence[dict[str, Any]], *, percent: bool) -> Any:
    import altair as alt

    if percent:
        axis = alt.Axis(format=".0%", tickCount=5, title=None)
        return alt.Y("value:Q", scale=alt.Scale(domain=[0, 1]), axis=axis)
    sizes = [value["value"] for value in values]
    steep = min(sizes) > 0 and max(sizes) > _LOG_RATIO * min(sizes)
    scale = alt.Scale(type="log" if steep else "linear")
    title = "loss (logarithmic)" if steep else "loss"
    return alt.Y("value:Q", title=title, scale=scale, axis=alt.Axis(tickCount=5, format="~g"))


def _legend(contents: ReportContents, kinds: Sequence[str]) -> int:
    return legend_width([*run_labels(contents), *kinds])


def _is_loss(name: str) -> bool:
    return name not in _NOT_DRAWN and not _is_accuracy(name)


def _is_accuracy(name: str) -> bool:
    return name.lower().endswith("accuracy")
