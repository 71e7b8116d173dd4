"""The numbers of the page: certified accuracy, average certified radius, abstentions, agreement.

Certified accuracy at radius r and the average certified radius follow Cohen et al. (2019) and Zhai et al.
(2020), with intervals over inputs that those papers do not give.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from heatproof._check import check_number, message
from heatproof._intervals import Interval, lower_bounds, proportion
from heatproof.errors import InputError
from heatproof.report.contents import CertifiedInput, ReportContents, RobustPoint

__all__ = [
    "AverageRadius",
    "CertifiedCurve",
    "abstentions",
    "agreement",
    "average_radius",
    "certified_accuracy",
    "certified_curve",
    "run_labels",
    "strongest",
]

CONFIDENCE = 0.95
_NORMAL_QUANTILE = 1.959963984540054


@dataclass(frozen=True)
class AverageRadius:
    """A mean of certified radii over `count` inputs, its standard error, and its normal interval.

    With one input there is no standard error: it and the ends of the interval are NaN.
    """

    value: float
    standard_error: float
    low: float
    high: float
    count: int
    confidence: float


@dataclass(frozen=True)
class CertifiedCurve:
    """Certified accuracy as a right-continuous step function: `share[i]` holds from `radius[i]` on."""

    radius: Float64[np.ndarray, " steps"]
    share: Float64[np.ndarray, " steps"]
    low: Float64[np.ndarray, " steps"]
    high: Float64[np.ndarray, " steps"]


def certified_accuracy(inputs: Sequence[CertifiedInput], radius: float) -> Interval:
    """Return the share of inputs that are answered right and stay so for every δ with ‖δ‖₂ < radius.

    An input counts at `radius` if it is answered right at every point *closer* than `radius`: if it is
    correct and R ≥ radius, as a certificate speaks of the open ball ‖δ‖₂ < R; at 0 if it is correct. The
    interval is Clopper–Pearson's 95 % over inputs: it takes them for a random sample of the data and does
    not include the failure probability alpha of each.

    Cost: one pass over the inputs. Errors: `InputError` for no inputs, an input given twice, a radius
    that is negative or not finite.
    """
    check_number("radius", radius, at_least=0)
    reach = _reach(inputs)
    return proportion(int(np.count_nonzero(reach >= float(radius))), len(reach), CONFIDENCE)


def average_radius(inputs: Sequence[CertifiedInput]) -> AverageRadius:
    """Return the average certified radius: the mean of R over all inputs, 0 where wrong or abstained.

    It equals the integral of certified accuracy over the radius. The interval is the mean ± 1.96 standard
    errors (sample standard deviation over √N), cut at 0. Errors: those of `certified_accuracy`.
    """
    values = np.maximum(_reach(inputs), 0.0)
    mean, count = float(values.mean()), len(values)
    error = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else math.nan
    low = max(0.0, mean - _NORMAL_QUANTILE * error) if count > 1 else math.nan
    return AverageRadius(mean, error, low, mean + _NORMAL_QUANTILE * error, count, CONFIDENCE)


def abstentions(inputs: Sequence[CertifiedInput]) -> Interval:
    """Return the share of inputs on which the smoothed classifier does not answer. Errors as above."""
    return proportion(sum(one.abstained for one in inputs), len(_reach(inputs)), CONFIDENCE)


def agreement(inputs: Sequence[CertifiedInput]) -> Interval | None:
    """Return how often the one-pass network gives the label of the smoothed classifier, where it answers.

    None where it answers nowhere. Errors: those of `certified_accuracy`.
    """
    _reach(inputs)
    answered = [one.agrees for one in inputs if not one.abstained]
    return proportion(sum(answered), len(answered), CONFIDENCE) if answered else None


def certified_curve(inputs: Sequence[CertifiedInput], *, end: float, steps: int = 400) -> CertifiedCurve:
    """Return certified accuracy over 0…end with its pointwise 95 % interval.

    One step at each distinct radius. Where there are more than `steps`, neighbours share one step, drawn
    at the smallest radius of the group with the share after its largest: the curve never overstates. Correct
    inputs of radius 0 count at 0 and nowhere beyond, hence two entries at 0: the share there and just after.
    At a step the value is that just beyond it, the lower one.
    """
    reach = _reach(inputs)
    places = np.unique(reach[(reach > 0) & (reach < end)])
    counts = _counts(reach, places)
    size = max(1, math.ceil(len(places) / steps))
    last = np.minimum(np.arange(size - 1, len(places) + size - 1, size), len(places) - 1)
    radius = np.concatenate([[0.0, 0.0], places[::size], [end]])
    beyond = np.asarray([np.count_nonzero(reach > 0)])
    ends = (_counts(reach, np.zeros(1)), _counts(reach, np.asarray([end])))
    after = np.concatenate([ends[0], beyond, counts[last], ends[1]])
    return _curve(radius, after, len(reach))


def strongest(robust: Sequence[RobustPoint]) -> dict[tuple[str, float], RobustPoint]:
    """Return, for each (norm, radius), the point that left the least accuracy.

    Run folders give one point for each, with all attacks on the same inputs combined. Errors: `InputError`
    for points at one place over different numbers of inputs, whose accuracies do not compare.
    """
    kept: dict[tuple[str, float], RobustPoint] = {}
    for point in robust:
        before = kept.setdefault((point.norm, point.radius), point)
        if point.accuracy.trials != before.accuracy.trials:
            got = f"{before.accuracy.trials} and {point.accuracy.trials} inputs at one norm and radius"
            raise InputError(message("robust", got, "attacks on the same inputs"), name="robust")
        if point.accuracy.value < before.accuracy.value:
            kept[point.norm, point.radius] = point
    return kept


def run_labels(contents: ReportContents) -> tuple[str, ...]:
    """Return one label for each run: its name, with a number behind it where the name is taken."""
    labels: list[str] = []
    for run in contents.runs:
        label, number = run.name, 2
        while label in labels:
            label, number = f"{run.name} ({number})", number + 1
        labels.append(label)
    return tuple(labels)


def _reach(inputs: Sequence[CertifiedInput]) -> Float64[np.ndarray, " n"]:
    """Return each input's certified radius, and −1 where it is wrong or abstained."""
    if not inputs:
        raise InputError(message("inputs", "none", "at least one certified input"), name="inputs")
    if len({one.index for one in inputs}) != len(inputs):
        raise InputError(message("inputs", "an index twice", "each input once"), name="inputs")
    reach = np.asarray([one.radius if one.correct else -1.0 for one in inputs], dtype=np.float64)
    radii = np.asarray([0.0 if one.abstained else one.radius for one in inputs], dtype=np.float64)
    wrong = ~np.isfinite(radii) | (radii < 0)
    if wrong.any():
        first = inputs[int(wrong.argmax())]
        got = f"{first.radius!r} for input {first.index}"
        raise InputError(message("radius", got, "a finite number ≥ 0"), name="radius")
    return reach


def _counts(
    reach: Float64[np.ndarray, " n"], radii: Float64[np.ndarray, " places"]
) -> Int64[np.ndarray, " places"]:
    """Return how many inputs are certified beyond each radius: R > radius, and R ≥ 0 at radius 0."""
    ordered = np.sort(reach)
    above = len(ordered) - np.searchsorted(ordered, radii, side="right")
    correct = len(ordered) - np.searchsorted(ordered, 0.0, side="left")
    return np.where(radii > 0, above, correct).astype(np.int64)


def _curve(
    radius: Float64[np.ndarray, " steps"], counts: Int64[np.ndarray, " steps"], trials: int
) -> CertifiedCurve:
    tail = (1.0 - CONFIDENCE) / 2
    low = lower_bounds(counts, trials, tail)
    high = 1.0 - lower_bounds(trials - counts, trials, tail)
    return CertifiedCurve(radius, counts / trials, low, high)
