"""Does training diverge because h is under the stability bound? Runs over h, λ, τ and the learning rate.

The explicit step u + τσ²Δ_h u keeps the comparison principle iff h is at least the bound. That is a statement
about the scheme: it does not depend on λ or on the optimiser's step. So the explanation is tested from three
sides: whether training is safe at the bound, whether it fails far under it, and whether a failure survives a
tenth of the learning rate with four times the steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from heatproof._intervals import proportion
from heatproof._types import Progress
from heatproof.errors import DivergenceError
from heatproof.objectives import ConvectionDiffusion
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Outcome, Verdict, from_counts
from heatproof.studies.half_moons.trainings import fitted, moons
from heatproof.studies.half_moons.words import number, percent
from heatproof.training import TrainingSettings

if TYPE_CHECKING:
    from heatproof.studies.half_moons.study import HalfMoons

__all__ = ["cells", "summarise"]

_SLOWER, _SMALLER = 4, 10
_FAR = 0.1
"""Share of the bound from which on h is far under it."""
_LIMIT = 0.2


class _Case(NamedTuple):
    weight: float
    time_step: float
    share: float
    repeat: int

    @property
    def key(self) -> str:
        words = (f"weight={number(self.weight)}", f"time={number(self.time_step)}")
        return ".".join(["stability", *words, f"share={number(self.share)}", f"repeat={self.repeat}"])


def cells(study: HalfMoons) -> Iterator[Cell]:
    """Yield a cell for each λ, τ, h and repeat."""
    for case in _cases(study):
        yield Cell(case.key, partial(_measured, study, case))


def summarise(study: HalfMoons, results: Results) -> Summary:
    """Return the verdicts on the explanation, and the table."""
    text = (
        f"The objective at σ² = {number(study.middle)} with space steps h from "
        f"{number(max(study.stability_shares))} to {number(min(study.stability_shares))} times the stability "
        "bound √(2τσ²). Diverged: a loss or weights that are not finite. Every training that diverged was "
        f"repeated at a tenth of the learning rate for {_SLOWER} times as many steps, and with the gradient "
        "clipped at norm 5, which is the library's default and hides divergence: there the accuracy shows "
        "what is lost."
    )
    section = Section("Is a small space step unstable?", text, (_table(study, results),))
    return Summary((*_explanation(study, results), _likelier(study, results)), (section,))


def _explanation(study: HalfMoons, results: Results) -> Iterator[Verdict]:
    """Yield what would follow if the bound were the reason."""
    found = [(case, results[case.key]) for case in _cases(study)]
    safe = [not one["plain"]["diverged"] for case, one in found if case.share >= 1]
    yield _always(
        "With h at or above the stability bound, training does not diverge", safe, "did not diverge"
    )
    far = [one["plain"]["diverged"] for case, one in found if case.share <= _FAR]
    yield _always(f"With h at most {number(_FAR)} of the bound, training diverges", far, "diverged")
    again = [one["slow"]["diverged"] for case, one in found if case.share < 1 and one["slow"]]
    claim = "What diverges under the bound also diverges at a tenth of the learning rate"
    yield _always(claim, again, "diverged again")


def _always(claim: str, outcomes: Sequence[bool], words: str) -> Verdict:
    kept = sum(outcomes)
    return from_counts(
        claim,
        len(outcomes) - kept,
        len(outcomes),
        quantity="share of trainings that did otherwise",
        evidence=f"{kept} of {len(outcomes)} {words}; no gradient clipping",
        limit=_LIMIT,
        expected=None,
    )


def _cases(study: HalfMoons) -> list[_Case]:
    kinds = [(weight, 1.0) for weight in study.stability_weights]
    kinds += [(study.stability_weights[0], study.stability_time_step)]
    return [
        _Case(weight, time_step, share, repeat)
        for weight, time_step in kinds
        for share in study.stability_shares
        for repeat in range(study.stability_repeats)
    ]


def _measured(study: HalfMoons, case: _Case, progress: Progress) -> dict[str, Any]:
    bound = math.sqrt(2 * case.time_step * study.middle)
    objective = ConvectionDiffusion(
        diffusivity=study.middle,
        weight=case.weight,
        time_step=case.time_step,
        space_step=case.share * bound,
    )
    settings = TrainingSettings(
        epochs=study.stability_epochs, batch_size=study.batch_size, gradient_clip=None, device="cpu"
    )
    found: dict[str, Any] = {
        "plain": _run(study, objective, settings, case.repeat),
        "slow": None,
        "clipped": None,
    }
    if found["plain"]["diverged"]:
        progress(1, 3, "diverged")
        slow = {
            "epochs": _SLOWER * study.stability_epochs,
            "learning_rate": settings.learning_rate / _SMALLER,
        }
        found["slow"] = _run(study, objective, settings.model_copy(update=slow), case.repeat)
        clipped = settings.model_copy(update={"gradient_clip": 5.0})
        found["clipped"] = _run(study, objective, clipped, case.repeat)
    return found


def _run(
    study: HalfMoons, objective: ConvectionDiffusion, settings: TrainingSettings, repeat: int
) -> dict[str, Any]:
    """Train once; return whether it diverged, else the accuracy on test inputs."""
    try:
        model, _ = fitted(study, objective, settings, repeat)
    except DivergenceError:
        return {"diverged": True, "accuracy": None}
    test = moons(study.seed, repeat, study.train_count).test
    with torch.no_grad():
        right = torch.eq(model(test.x).argmax(dim=1), test.y)
    return {"diverged": False, "accuracy": float(right.double().mean())}


def _likelier(study: HalfMoons, results: Results) -> Verdict:
    """Judge from pairs that differ in h alone, of which one diverged and the other did not."""
    smallest, claim = min(study.stability_shares), "A small space step makes divergence likelier"
    pairs = [
        (results[case.key], results[case._replace(share=1.0).key])
        for case in _cases(study)
        if case.share == smallest
    ]
    outcomes = [(small["plain"]["diverged"], large["plain"]["diverged"]) for small, large in pairs]
    small, large = outcomes.count((True, False)), outcomes.count((False, True))
    quantity = "share of pairs of which only one diverged, in which that was the smaller h"
    evidence = (
        f"h = {number(smallest)} of the bound against h at the bound, all else equal: {small} pairs in which "
        f"only the smaller diverged, {large} in which only the larger did, of {len(pairs)}"
    )
    if small + large == 0:
        return Verdict(claim, "undecided", quantity, 0.0, 0.0, 1.0, evidence, None)
    found = proportion(small, small + large)
    outcome: Outcome = "holds" if found.low > 0.5 else "refuted" if found.high < 0.5 else "undecided"
    return Verdict(claim, outcome, quantity, found.value, found.low, found.high, evidence, None)


def _table(study: HalfMoons, results: Results) -> StudyTable:
    columns = ("λ", "τ", "h / bound", "diverged", "accuracy", "slower: diverged", "clipped: accuracy")
    cases = dict.fromkeys(case._replace(repeat=0) for case in _cases(study))
    rows = []
    for case in cases:
        runs = [results[case._replace(repeat=k).key] for k in range(study.stability_repeats)]
        slow = [run["slow"] for run in runs if run["slow"]]
        rows.append(
            (
                number(case.weight),
                number(case.time_step),
                number(case.share),
                _count([run["plain"] for run in runs]),
                _accuracy([run["plain"] for run in runs]),
                _count(slow),
                _accuracy([run["clipped"] for run in runs if run["clipped"]]),
            )
        )
    note = (
        f"{study.stability_repeats} trainings a row. Accuracy: natural, in per cent, mean of the trainings "
        "that did not diverge. Slower and clipped: those that diverged, once more."
    )
    return StudyTable("Space steps", columns, tuple(rows), note)


def _count(runs: Sequence[dict[str, Any]]) -> str:
    return f"{sum(run['diverged'] for run in runs)} of {len(runs)}" if runs else "–"


def _accuracy(runs: Sequence[dict[str, Any]]) -> str:
    found = [run["accuracy"] for run in runs if not run["diverged"]]
    return percent(sum(found) / len(found)) if found else "–"
