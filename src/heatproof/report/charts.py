"""Charts of what was proved and what was measured under attack, as Vega-Lite specifications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from heatproof.report._style import Chart, legend_width, run_colour
from heatproof.report.cells import format_norm
from heatproof.report.contents import ReportContents, RobustPoint, RunContents
from heatproof.report.summary import certified_curve, run_labels, strongest

__all__ = ["certified_chart", "robust_charts", "specification"]

_HEIGHT = 320
_NORM_ORDER = ("l2", "linf", "l1")


def certified_chart(contents: ReportContents, *, interactive: bool = True) -> Chart | None:
    """Return certified accuracy versus ℓ2 radius, a step curve a run with its 95 % band; None without data.

    Dotted lines stand at the radii of the table. With `interactive`, pointing at the chart shows the
    numbers and a click in the legend picks a run.
    """
    import altair as alt

    values = list(_certified_values(contents))
    if not values:
        return None
    x = alt.X("radius:Q", title="ℓ2 radius", scale=alt.Scale(domain=[0, _end(contents)], nice=False))
    base = alt.Chart(alt.InlineData(values=values)).encode(x=x, color=run_colour(run_labels(contents)))
    band = base.mark_area(interpolate="step-after", opacity=0.16).encode(_share("low"), alt.Y2("high:Q"))
    line = base.mark_line(interpolate="step-after", strokeWidth=2.25).encode(_share("share"))
    rules = alt.Chart(alt.InlineData(values=[{"at": r} for r in contents.radii if 0 < r <= _end(contents)]))
    dotted = rules.mark_rule(strokeDash=[2, 4]).encode(alt.X("at:Q"))
    layers = [dotted, _dim(band, interactive, 0.16), _dim(line, interactive, 1.0)]
    layers += [_pointer(base)] if interactive else []
    caption = (
        "Share of inputs that the smoothed classifier answers right and provably keeps for every "
        "perturbation up to the radius. Bands: 95 % over inputs, at each radius on its own."
    )
    spec = specification(alt.layer(*layers), "Certified accuracy versus radius")
    return Chart("Certified accuracy", caption, spec, legend_width(run_labels(contents)))


def robust_charts(contents: ReportContents, *, interactive: bool = True) -> tuple[Chart, ...]:
    """Return, for each norm, robust accuracy versus radius with 95 % bars; radius 0 is natural accuracy."""
    norms = {point.norm for run in contents.runs for point in run.robust}
    known = [norm for norm in _NORM_ORDER if norm in norms]
    ordered = [*known, *sorted(norms - set(known))]
    return tuple(_robust_chart(contents, norm, interactive=interactive) for norm in ordered)


def specification(chart: Any, description: str, *, height: int | None = _HEIGHT) -> dict[str, Any]:
    """Return an altair chart as plain JSON values, as wide as its place, with no colours of its own."""
    import altair as alt

    with alt.data_transformers.enable(consolidate_datasets=False):
        spec: dict[str, Any] = chart.properties(width="container", description=description).to_dict()
    spec.pop("config", None)
    if height is not None:
        spec["height"] = height
    return spec


def _robust_chart(contents: ReportContents, norm: str, *, interactive: bool) -> Chart:
    import altair as alt

    sign = format_norm(norm)
    values = list(_robust_values(contents, norm))
    radii = sorted({value["radius"] for value in values})
    base = alt.Chart(alt.InlineData(values=values)).encode(
        x=alt.X("radius:Q", title=f"{sign} radius of the attack", axis=alt.Axis(values=radii, format=".6~g")),
        color=run_colour(run_labels(contents)),
    )
    bars = base.mark_rule(strokeWidth=1.5).encode(_share("low"), alt.Y2("high:Q"))
    line = base.mark_line(strokeWidth=2.25).encode(_share("share"))
    dots = base.mark_point(filled=True, size=64, opacity=1).encode(
        _share("share"),
        shape=alt.Shape("run:N", scale=alt.Scale(domain=list(run_labels(contents))), title=None),
        tooltip=_tooltip("radius", "attack", "share"),
    )
    layers = [_dim(layer, interactive, 1.0) for layer in (bars, line, dots)]
    layers[0] = layers[0].add_params(_pick()) if interactive else layers[0]
    title = f"Robust accuracy, {sign}"
    caption = (
        f"Accuracy of the network in one pass under the strongest attack at each {sign} radius: an upper "
        "bound, as a better attack may exist. Bars: 95 % over inputs."
    )
    spec = specification(alt.layer(*layers), f"{title}, versus radius")
    return Chart(title, caption, spec, legend_width(run_labels(contents)))


def _certified_values(contents: ReportContents) -> Iterator[dict[str, Any]]:
    end = _end(contents)
    for label, run in zip(run_labels(contents), contents.runs, strict=True):
        if not run.certified:
            continue
        curve = certified_curve(run.certified, end=end)
        rows = zip(curve.radius, curve.share, curve.low, curve.high, strict=True)
        for radius, share, low, high in rows:
            yield {"run": label, "radius": float(radius), **_rounded(share, low, high)}


def _robust_values(contents: ReportContents, norm: str) -> Iterator[dict[str, Any]]:
    for label, run in zip(run_labels(contents), contents.runs, strict=True):
        for point in _from_natural(run, norm):
            accuracy = point.accuracy
            shares = _rounded(accuracy.value, accuracy.low, accuracy.high)
            yield {"run": label, "radius": point.radius, "attack": point.attack, **shares}


def _from_natural(run: RunContents, norm: str) -> list[RobustPoint]:
    found = [point for point in strongest(run.robust).values() if point.norm == norm]
    if run.natural is not None and found and all(point.radius > 0 for point in found):
        found.append(RobustPoint(norm, 0.0, run.natural, "none"))
    return sorted(found, key=lambda point: point.radius)


def _rounded(share: float, low: float, high: float) -> dict[str, float]:
    return {"share": round(float(share), 5), "low": round(float(low), 5), "high": round(float(high), 5)}


def _end(contents: ReportContents) -> float:
    """Return where the radius axis ends: a little past the largest certified radius and the table's."""
    reached = [one.radius for run in contents.runs for one in run.certified if one.correct]
    return 1.04 * max([*reached, *contents.radii, 1e-6])


def _share(field: str) -> Any:
    import altair as alt

    axis = alt.Axis(format=".0%", tickCount=5, title=None)
    return alt.Y(f"{field}:Q", scale=alt.Scale(domain=[0, 1]), axis=axis)


def _pick() -> Any:
    import altair as alt

    return alt.selection_point(name="pick", fields=["run"], bind="legend")


def _dim(layer: Any, interactive: bool, opacity: float) -> Any:
    """Fade the runs that are not picked in the legend."""
    import altair as alt

    if not interactive:
        return layer
    picked = alt.condition(_pick(), alt.value(opacity), alt.value(0.08))
    return layer.encode(opacity=picked)


def _pointer(base: Any) -> Any:
    """Return dots that show themselves and their numbers when the pointer comes near."""
    import altair as alt

    near = alt.selection_point(name="near", nearest=True, on="pointermove", clear="pointerout", empty=False)
    seen = alt.condition(near, alt.value(1), alt.value(0))
    dots = base.mark_point(filled=True, size=70)
    return dots.encode(_share("share"), opacity=seen, tooltip=_tooltip("radius", "share")).add_params(
        near, _pick()
    )


def _tooltip(*fields: str) -> list[Any]:
    import altair as alt

    known = {
        "radius": alt.Tooltip("radius:Q", format=".4~g"),
        "attack": alt.Tooltip("attack:N"),
        "share": alt.Tooltip("share:Q", title="accuracy", format=".1%"),
    }
    ends = (("low", "95 % from"), ("high", "to"))
    return [
        alt.Tooltip("run:N"),
        *(known[field] for field in fields),
        *(alt.Tooltip(f"{end}:Q", title=title, format=".1%") for end, title in ends),
    ]
