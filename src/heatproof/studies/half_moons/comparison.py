"""At equal budget: the chosen (λ, σ²) beside natural training, Gaussian augmentation and the controls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_interval
from heatproof.studies.half_moons.ceiling import measured_ceiling
from heatproof.studies.half_moons.charts import curve_chart, region_charts
from heatproof.studies.half_moons.contestants import CONTESTANTS, Choice, Contestant, outcomes
from heatproof.studies.half_moons.words import number, percent, share
from heatproof.theory.complexity import mean_interval

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["ceiling_key", "cells", "summarise"]

_CLAIMS = (
    (
        "equation",
        "natural",
        "In one pass, the objective with (λ, σ²) chosen is more robust than natural training",
    ),
    ("equation", "zero", "In one pass, it is more robust than with λ = 0: the residual does it"),
    (
        "equation",
        "still",
        "In one pass, it is more robust than without diffusion (σ² = 0): the diffusion does it",
    ),
    ("equation", "gaussian", "In one pass, it is more robust than Gaussian augmentation at equal budget"),
    (
        "longer",
        "gaussian",
        "In one pass, with the longer budget, it is more robust than Gaussian augmentation",
    ),
    ("equation.smoothed", "natural", "Smoothed, u(·, T) is more robust than natural training in one pass"),
    ("equation.smoothed", "zero.smoothed", "Smoothed, it is more robust than λ = 0, smoothed"),
    (
        "equation.smoothed",
        "gaussian.smoothed",
        "Smoothed, it is more robust than Gaussian augmentation, smoothed",
    ),
)
_Chosen = Mapping[str, Sequence[Choice]]


def cells(study: HalfMoons) -> Iterator[Cell]:
    """Yield a cell for the ceiling of each repeat's test inputs."""
    for repeat in range(study.repeats):
        yield Cell(ceiling_key(repeat), partial(measured_ceiling, study, repeat))


def ceiling_key(repeat: int) -> str:
    """Return the name of a cell."""
    return f"ceiling.repeat={repeat}"


def summarise(study: HalfMoons, results: Results) -> Summary:
    """Return the comparisons, paired by repeat, the table, the curves and the regions."""
    chosen = {one.key: outcomes(study, results, one) for one in CONTESTANTS}
    verdicts = [_more_robust(study, chosen, *claim) for claim in _CLAIMS]
    verdicts.append(_costs_accuracy(study, chosen))
    ceilings = [results[ceiling_key(repeat)] for repeat in range(study.repeats)]
    diffusivities = len(study.diffusivities)
    budget = (
        f"Every training may spend {study.budget} evaluations an input (one forward and one backward pass), "
        "so natural training and Gaussian augmentation, at one a step, take four times the steps of the "
        "objective. λ, and σ² of training and smoothing, are chosen for each repeat by robust accuracy on "
        f"validation inputs: the objective among {len(study.weights) * diffusivities} pairs, Gaussian "
        f"augmentation among {diffusivities} values of σ², which favours the objective. Longer budget: "
        f"{study.longer} times as many evaluations, λ among {len(study.longer_weights)} values, σ² = "
        f"{number(study.middle)}."
    )
    return Summary(
        tuple(verdicts),
        (
            Section(
                "At equal budget",
                budget,
                (_table(study, chosen, [one["robust"] for one in ceilings]),),
                (curve_chart(study, _curves(chosen, [one["curve"] for one in ceilings])),),
            ),
            Section(
                "Regions",
                "The first repeat, with its training points. Strength of colour: the probability.",
                (),
                region_charts(ceilings[0], _pictures(chosen)),
            ),
        ),
    )


def _more_robust(study: HalfMoons, chosen: _Chosen, ours: str, other: str, claim: str) -> Verdict:
    ends, said = _paired(chosen, ours, other, "robust")
    return from_interval(
        claim,
        ends,
        quantity=f"difference of robust accuracy at radius {number(study.radius)}",
        evidence=f"{said}; {study.repeats} repeats, paired, Student's interval",
    )


def _costs_accuracy(study: HalfMoons, chosen: _Chosen) -> Verdict:
    ends, said = _paired(chosen, "natural", "equation", "natural")
    return from_interval(
        "In one pass, the objective with (λ, σ²) chosen pays with natural accuracy",
        ends,
        quantity="natural accuracy lost against natural training",
        evidence=f"{said}; {study.repeats} repeats, paired, Student's interval",
    )


def _paired(chosen: _Chosen, ours: str, other: str, what: str) -> tuple[tuple[float, float, float], str]:
    """Return the mean difference over repeats with its 95 % ends, and both means in words."""
    pairs = [
        (float(a.found[what]), float(b.found[what])) for a, b in zip(chosen[ours], chosen[other], strict=True)
    ]
    found = mean_interval([a - b for a, b in pairs])
    means = [sum(side) / len(pairs) for side in zip(*pairs, strict=True)]
    half = found.value - found.low
    said = f"{percent(means[0])} % against {percent(means[1])} %"
    return (found.value, found.low, found.value + half), said


def _table(study: HalfMoons, chosen: _Chosen, ceilings: Sequence[float]) -> StudyTable:
    columns = (
        "training",
        "classifier",
        "chosen, over repeats",
        "natural",
        f"robust at {number(study.radius)}",
        f"certified at {number(study.radius)}",
    )
    rows = [_row(one, chosen[one.key]) for one in CONTESTANTS]
    rows.append(("no classifier can exceed", "–", "–", "–", share(ceilings), "–"))
    note = (
        "In per cent of test inputs, mean over repeats ± half of Student's 95 % interval. Robust: under the "
        "strongest attack of each input. Certified: right, and formula (3) with the near-exact p_A reaches "
        "the radius; a lower bound of the robust accuracy of the smoothed classifier, as the attacks are an "
        "upper one. No classifier can exceed: from pairs of test inputs of different classes less than "
        "twice the radius apart."
    )
    return StudyTable("Trainings", columns, tuple(rows), note)


def _row(contestant: Contestant, found: Sequence[Choice]) -> tuple[str, ...]:
    words = Counter(one.candidate.words for one in found)
    chosen = [f"{one} ({count}×)" if count > 1 else one for one, count in words.most_common() if one]
    certified = [one.found["certified"] for one in found if "certified" in one.found]
    return (
        contestant.words,
        contestant.classifier,
        "; ".join(chosen) or "–",
        share([one.found["natural"] for one in found]),
        share([one.found["robust"] for one in found]),
        share(certified) if certified else "–",
    )


def _curves(chosen: _Chosen, ceilings: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """Return mean robust accuracy under the exhaustive search at each radius, radius 0 first."""
    curves = {}
    for one in CONTESTANTS:
        if one.key in {"still", "longer"}:
            continue
        rows = [[each.found["natural"], *each.found["curve"]] for each in chosen[one.key]]
        curves[one.name] = _means(rows)
    curves["no classifier can exceed"] = _means([[1.0, *each] for each in ceilings])
    return curves


def _means(rows: Sequence[Sequence[float]]) -> list[float]:
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]


def _pictures(chosen: _Chosen) -> dict[str, str]:
    shown = ("natural", "gaussian", "equation", "equation.smoothed")
    return {
        _titled(one.name, chosen[one.key][0].candidate.words): chosen[one.key][0].found["picture"]
        for one in CONTESTANTS
        if one.key in shown
    }


def _titled(name: str, words: str) -> str:
    return f"{name} ({words})" if words else name
