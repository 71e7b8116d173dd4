"""Are the attacks good enough? Each against another, against proved limits, and a planted fault."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._types import Progress
from heatproof.errors import GradientMaskingWarning
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Outcome, Verdict, from_ratios
from heatproof.studies.half_moons.attacked import Found, one_pass
from heatproof.studies.half_moons.cells import cell_key
from heatproof.studies.half_moons.comparison import ceiling_key
from heatproof.studies.half_moons.trainings import Training, fitted, moons, settings_of, trainings
from heatproof.studies.half_moons.words import percent

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["Saturated", "cells", "summarise"]

_MISSED = 0.02
"""The share of inputs that one attack may break and the other not."""
_SHARPNESS = 1e4
_STRETCH = 1.5
_QUADRATURE = 0.01
"""What the certified radius may be off for the grid, as a share of it."""
_KEY = "saturated"

_Classifiers: TypeAlias = list[tuple[Found, float]]
"""What is stored of classifiers, each with the ceiling of its test inputs."""


class Saturated(nn.Module):
    """Logits (0, tanh(10⁴(z₁ − z₀))): the decisions of the network, and almost no gradient."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "batch 2"]) -> Float[Tensor, "batch 2"]:
        """Return the logits."""
        logits = self.network(x)
        steep = (_SHARPNESS * (logits[:, 1] - logits[:, 0])).tanh()
        return torch.stack([torch.zeros_like(steep), steep], dim=1)


def cells(study: HalfMoons) -> Iterator[Cell]:
    """Yield the planted fault: a network whose gradients are masked, one for all repeats."""

    def run(progress: Progress) -> Found:
        del progress
        training = Training("natural")
        model, _ = fitted(study, training.objective, settings_of(study, study.budget), 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GradientMaskingWarning)  # it is what was planted
            return one_pass(study, Saturated(model), moons(study.seed, 0, study.train_count))

    yield Cell(_KEY, run)


def summarise(study: HalfMoons, results: Results) -> Summary:
    """Return the verdicts on the attacks."""
    plain, smooth = _all(study, results, smoothed=False), _all(study, results, smoothed=True)
    masked = [(results[_KEY], 1.0)]
    verdicts = (*_agreements(plain, smooth, masked), *_limits(plain, smooth))
    text = (
        "Robust accuracy is what survives every attack. In the plane a grid looks everywhere, with no "
        "gradient to mask; gradients are no matter of a grid's coarseness. Each attack is held against the "
        "other on every training. A network whose decisions are the same and whose gradients are all but 0 "
        "is the planted fault."
    )
    table = _table({"one pass": plain, "smoothed": smooth, "control, gradients masked": masked})
    return Summary(verdicts, (Section("Are the attacks good enough?", text, (table,)),))


def _agreements(plain: _Classifiers, smooth: _Classifiers, masked: _Classifiers) -> Iterator[Verdict]:
    """Yield whether one attack finds what the other does not; at the planted fault it must."""
    search, gradient = "the exhaustive search", "the gradient attack"
    for where, found in (("In one pass", plain), ("Smoothed", smooth)):
        yield _agree(f"{where}, {search} breaks hardly more than {gradient}", found, "only_search")
        yield _agree(f"{where}, {gradient} breaks hardly more than {search}", found, "only_gradient")
    claim = f"Control: {search} breaks hardly more, of a network whose gradients are masked"
    yield _agree(claim, masked, "only_search", "refuted")


def _limits(plain: _Classifiers, smooth: _Classifiers) -> Iterator[Verdict]:
    """Yield whether what was found keeps within what is proved, and that the judge would notice."""
    both = plain + smooth
    yield _under_ceiling("No robust accuracy exceeds what any classifier can have", both, "robust")
    control = "Control: natural accuracy, called robust, does not exceed it"
    yield _under_ceiling(control, both, "natural", "refuted")
    yield _certified("No radius of formula (3) reaches beyond an error that was found", smooth, 1.0)
    yield _certified(f"Control: nor does {_STRETCH} times the radius", smooth, _STRETCH, "refuted")


def _all(study: HalfMoons, results: Results, *, smoothed: bool) -> _Classifiers:
    """Return what is stored of every classifier, with the ceiling of its test inputs."""
    found = []
    for repeat in range(study.repeats):
        ceiling = float(results[ceiling_key(repeat)]["robust"])
        for one in trainings(study):
            cell: dict[str, Any] = results[cell_key(one, repeat)]
            stored = cell["smoothed"].values() if smoothed else [cell["one_pass"]]
            found += [(each, ceiling) for each in stored]
    return found


def _agree(claim: str, found: _Classifiers, what: str, expected: Outcome = "holds") -> Verdict:
    shares = [float(one[what]) for one, _ in found]
    return from_ratios(
        claim,
        [(each / _MISSED,) * 2 for each in shares],
        quantity=f"largest share that the other missed, over {percent(_MISSED)} %",
        evidence=f"{_count(len(shares))}; at most {percent(max(shares))} % of inputs, "
        f"{sum(shares) / len(shares):.2%} on average",
        expected=expected,
    )


def _under_ceiling(claim: str, found: _Classifiers, what: str, expected: Outcome = "holds") -> Verdict:
    return from_ratios(
        claim,
        [(float(one[what]) / ceiling,) * 2 for one, ceiling in found],
        quantity="largest share over the ceiling",
        evidence=f"{_count(len(found))}, the ceiling by matching of test inputs",
        expected=expected,
    )


def _certified(claim: str, found: _Classifiers, stretch: float, expected: Outcome = "holds") -> Verdict:
    return from_ratios(
        claim,
        [(stretch * float(one["closest"]),) * 2 for one, _ in found],
        quantity="largest radius over the distance of the nearest error found",
        evidence=f"{_count(len(found))}, all test inputs; {_QUADRATURE:.0%} is left to the grid",
        expected=expected,
        slack=_QUADRATURE,
    )


def _table(groups: Mapping[str, _Classifiers]) -> StudyTable:
    columns = ("classifiers", "number", "only search, mean", "most", "only gradient, mean", "most")
    rows = []
    for words, found in groups.items():
        numbers = []
        for what in ("only_search", "only_gradient"):
            shares = [float(one[what]) for one, _ in found]
            numbers += [percent(sum(shares) / len(shares)), percent(max(shares))]
        rows.append((words, str(len(found)), *numbers))
    note = (
        "Per cent of test inputs that one attack breaks and the other does not. In one pass the gradient "
        "attack is projected gradient descent with restarts on the exact margin, on all test inputs; "
        "smoothed it goes through the expectation, on the first hundred."
    )
    return StudyTable("One attack against the other", columns, tuple(rows), note)


def _count(number: int) -> str:
    return f"{number} classifier{'s' if number > 1 else ''}"
