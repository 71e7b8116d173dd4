"""Negative controls: operators that lack one axiom, each beside one that has it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from heatproof._types import Progress
from heatproof.networks import Residual
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies.axioms.judging import Stored, all_hold, cell, plain
from heatproof.studies.axioms.solved import arena
from heatproof.theory.axioms import (
    AXIOMS,
    Arena,
    EvolutionOperator,
    ExplicitHeat,
    Function,
    JumpOperator,
    NetworkEvolution,
    measure_axioms,
)

if TYPE_CHECKING:
    from heatproof.studies.axioms.study import Axioms

__all__ = ["cells", "summarise"]

_GRID_AXIOMS = ("comparison", "linearity", "constants", "markov", "batch")
"""Those that an operator between whole steps can be asked for."""


@dataclass(frozen=True)
class _Control:
    """An operator that lacks `axiom`, one that differs in nothing else, and where they are asked."""

    key: str
    axiom: str
    title: str
    twin: str
    make: Callable[[Axioms], tuple[EvolutionOperator, EvolutionOperator, Arena]]
    all_axioms: tuple[str, ...] = ()
    """Axioms that the control is measured for, where it must lack nothing else."""


def cells(study: Axioms) -> Iterator[Cell]:
    """Yield a cell for each control."""
    for control in _CONTROLS:
        yield Cell(f"control.{control.key}", partial(_measured, study, control))


def summarise(study: Axioms, results: Results) -> Summary:
    """Return two verdicts for each control: it falls, and its twin stands."""
    del study
    verdicts, rows = [], []
    for control in _CONTROLS:
        found = results[f"control.{control.key}"]
        wrong = _of(found["wrong"], control.axiom)
        right = _of(found["right"], control.axiom)
        claim = f"{control.title}: {control.axiom} holds"
        verdicts.append(all_hold(claim, [wrong], evidence="a control. ", expected="refuted"))
        verdicts.append(all_hold(f"{control.twin}: {control.axiom} holds", [right]))
        others = [one for one in found["wrong"] if one["axiom"] != control.axiom]
        lost = [one["axiom"] for one in others if one["verdict"] == "violated"]
        kept = "not asked" if not others else ", ".join(lost) if lost else "none"
        rows.append((control.title, control.axiom, cell(wrong), kept, control.twin, cell(right)))
    table = StudyTable(
        "Controls",
        ("operator", "axiom", "found", "other axioms violated", "twin", "found there"),
        tuple(rows),
        "The jump operator satisfies all axioms but one: locality is what makes the equation one of second "
        "order.",
    )
    text = "Each operator lacks one axiom; the same search must find that, and nothing at its twin."
    return Summary(tuple(verdicts), (Section("Negative controls", text, (table,)),))


def _of(findings: list[Stored], axiom: str) -> Stored:
    return next(one for one in findings if one["axiom"] == axiom)


def _measured(study: Axioms, control: _Control, progress: Progress) -> dict[str, Any]:
    wrong, right, where = control.make(study)
    axioms = control.all_axioms or (control.axiom,)
    found = plain(measure_axioms(wrong, where, axioms))
    progress(1, 2, control.twin)
    return {"wrong": found, "right": plain(measure_axioms(right, where, (control.axiom,)))}


def _jumps(study: Axioms) -> tuple[EvolutionOperator, EvolutionOperator, Arena]:
    source = torch.Generator().manual_seed(study.seed)
    places = torch.randn(24, 2, generator=source, dtype=torch.float64)
    near = 0.02 * places  # jumps that stay within the distance at which functions are equal
    return JumpOperator.to_places(places), JumpOperator.by_offsets(near), arena(study, 2)


def _explicit(study: Axioms) -> tuple[EvolutionOperator, EvolutionOperator, Arena]:
    below = ExplicitHeat(0.5, cells=32, diffusivity=0.05)
    above = ExplicitHeat(0.55, cells=32, diffusivity=0.055)  # the same step in time, 1.1 times the bound
    duration = 20 * below.time_step
    return above, below, arena(study, 1, middle=duration / 2, end=duration, step=below.time_step)


def _batch(study: Axioms) -> tuple[EvolutionOperator, EvolutionOperator, Arena]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(study.seed)
        blocks = [
            Residual(nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2)), 0.25)
            for _ in range(4)
        ]
    training = NetworkEvolution([block.train() for block in blocks], dtype=torch.float64)
    evaluation = NetworkEvolution([block.eval() for block in blocks], dtype=torch.float64)
    return training, evaluation, arena(study, 2)


@dataclass(frozen=True)
class _Moved:
    """T f(x) = f(x + move(x, η))."""

    move: Callable[[Tensor, float], Tensor]

    def __call__(self, f: Function, x: Tensor, t: float, r: float | None = None) -> Tensor:
        """Return (T_{t,r} f)(x)."""
        return f(x + self.move(x, t - (r or 0.0)))


def _jumping(study: Axioms) -> tuple[EvolutionOperator, EvolutionOperator, Arena]:
    wrong = _Moved(lambda x, eta: eta * torch.where(x > 0, 1.0, -1.0).to(x))
    return wrong, _Moved(lambda x, eta: eta * (3 * x).tanh()), arena(study, 2)


def _rough(study: Axioms) -> tuple[EvolutionOperator, EvolutionOperator, Arena]:
    wrong = _Moved(lambda x, eta: x.new_full(x.shape, 0.2 * math.sqrt(eta)))
    return wrong, _Moved(lambda x, eta: x.new_full(x.shape, 0.2 * eta)), arena(study, 2)


_CONTROLS = (
    _Control("jumps", "locality", "jumps far away", "jumps nearby", _jumps, AXIOMS),
    _Control(
        "step",
        "comparison",
        "explicit heat flow, 1.1 times the largest step",
        "explicit heat flow, the largest step",
        _explicit,
        _GRID_AXIOMS,
    ),
    _Control(
        "batch-statistics",
        "batch",
        "batch normalisation in training mode",
        "batch normalisation in evaluation mode",
        _batch,
    ),
    _Control(
        "jumping-velocity",
        "spatial regularity",
        "a velocity that jumps",
        "a smooth one",
        _jumping,
    ),
    _Control("rough-time", "temporal regularity", "a move by √η", "a move by η", _rough),
)
