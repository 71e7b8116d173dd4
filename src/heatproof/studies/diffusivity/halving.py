"""Finer steps: what ½ΣC becomes as Δt → 0, for one fixed velocity over one unit of time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from heatproof._types import Progress
from heatproof.data import load
from heatproof.networks import GaussianInjection
from heatproof.networks.residual_mlp import Velocity
from heatproof.studies._study import Cell, Results, Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict
from heatproof.studies.diffusivity.charts import blocks_chart
from heatproof.studies.diffusivity.judging import LEVEL, Stored, of_order
from heatproof.studies.diffusivity.kinds import KINDS, Kind
from heatproof.theory import measure_diffusivity
from heatproof.theory.complexity import mean_interval

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["GAIN", "PATH_KINDS", "cells", "summarise"]

GAIN = 2.0
"""What the velocity of an untrained network is multiplied by, so that states move in one unit of time."""

_SCALED = Kind(
    "gaussian-scaled",
    "Gaussian injection, a = s√Δt",
    lambda study, velocity, step: GaussianInjection(
        velocity(), study.noise_std * math.sqrt(step * study.depth), step=step
    ),
    lambda study: f"s = {study.noise_std * math.sqrt(study.depth):.3g}",
    0,
)

PATH_KINDS = (*(kind for kind in KINDS if kind.has_formula), _SCALED)
"""Every kind with a formula, and the noise that an equation has: variance in proportion to Δt."""

_FATES = {1: "halves", -1: "doubles", 0: "keeps"}


def cells(study: Diffusivity) -> Iterator[Cell]:
    """Yield a cell for each kind of noise: all numbers of blocks, on the same inputs."""
    for kind in PATH_KINDS:
        yield Cell(f"halving.{kind.key}", partial(_accumulated, study, kind))


def summarise(study: Diffusivity, results: Results) -> Summary:
    """Return a verdict for each order in Δt and a control, the table, and ½ΣC against the blocks."""
    found = {kind: results[f"halving.{kind.key}"] for kind in PATH_KINDS}
    verdicts = (*(_order(study, order, found) for order in (1, -1, 0)), _stays(study, found))
    rows = [row for kind, cell in found.items() for row in _rows(kind, cell)]
    section = Section(
        "Finer steps: which noise is left as Δt → 0",
        "One smooth velocity, that of an untrained tanh network, over one unit of time in 1/Δt blocks; its "
        "paths begin at test inputs. Settings (q, a) stay as they are when Δt is halved. Noise on a branch "
        "F = Δt·v has C of order Δt², so ½ΣC falls with Δt and the limit is transport without diffusion; "
        "noise of a fixed size at every step grows without limit. Only noise of variance in proportion to Δt "
        "has a diffusion as its limit.",
        (_table(study, found),),
        (
            blocks_chart(
                rows,
                "½ΣC against the number of blocks",
                "Both axes logarithmic; means over inputs; kinds stand side by side. Bars: 95 % over inputs.",
            ),
        ),
    )
    return Summary(verdicts, (section,))


def _order(study: Diffusivity, order: int, found: dict[Kind, Stored]) -> Verdict:
    """Judge that halving Δt does to ½ΣC what theory says, at the finest pair of steps."""
    kinds = [kind for kind in found if kind.order == order]
    names = ", ".join(kind.words for kind in kinds)
    return of_order(
        f"Halving Δt {_FATES[order]} the accumulated ½ΣC: {names}",
        [_measured_order(study, found[kind]) for kind in kinds],
        order,
        evidence=_evidence(study),
    )


def _stays(study: Diffusivity, found: dict[Kind, Stored]) -> Verdict:
    """Judge that noise on a branch keeps its ½ΣC, which must be refuted for every kind."""
    orders = [_measured_order(study, cell) for kind, cell in found.items() if kind.order == 1]
    return of_order(
        "A wrong claim. Noise on a branch keeps its ½ΣC as Δt → 0, for one kind at least",
        [min(orders, key=lambda one: abs(float(one["value"])))],
        0,
        evidence=_evidence(study),
        expected="refuted",
    )


def _evidence(study: Diffusivity) -> str:
    fine = study.blocks[-1]
    return (
        f"from {fine // 2} to {fine} blocks, {study.path_inputs} inputs, {2 * study.path_draws} draws a "
        f"state; Student's interval over inputs, at level {LEVEL:g} for all kinds together"
    )


def _measured_order(study: Diffusivity, cell: Stored) -> dict[str, float]:
    """Return the mean over inputs of log₂ of ½ΣC before over after, with its interval."""
    before, after = (cell["measured"][str(count)] for count in (study.blocks[-1] // 2, study.blocks[-1]))
    ratios = [math.log2(one / other) for one, other in zip(before, after, strict=True)]
    found = mean_interval(ratios, 1 - LEVEL / len(PATH_KINDS))
    return {"value": found.value, "low": found.low, "high": float(found.high or 0.0)}


def _rows(kind: Kind, cell: Stored) -> Iterator[dict[str, Any]]:
    for count, values in cell["measured"].items():
        found = mean_interval(values)
        ends = {"value": found.value, "low": found.low, "high": found.high}
        yield {"noise": kind.words, "blocks": int(count), **ends}


def _table(study: Diffusivity, found: dict[Kind, Stored]) -> StudyTable:
    columns = ("noise", "setting", *(f"{count} blocks" for count in study.blocks), "order in Δt", "theory")
    rows = tuple(_table_row(study, kind, cell) for kind, cell in found.items())
    note = (
        "½ΣC/d, measured / by the formula at the same states, means over inputs. Order: log₂ of "
        f"the last two columns' ratio, mean over inputs with its interval at level {LEVEL:g} for all rows."
    )
    return StudyTable("½ΣC over one unit of time", columns, rows, note)


def _table_row(study: Diffusivity, kind: Kind, cell: Stored) -> tuple[str, ...]:
    order = _measured_order(study, cell)
    pairs = ((cell["measured"][str(count)], cell["formula"][str(count)]) for count in study.blocks)
    return (
        kind.words,
        kind.setting(study),
        *(f"{_mean(measured):.3g} / {_mean(formula):.3g}" for measured, formula in pairs),
        f"{order['value']:.3f} [{order['low']:.3f}, {order['high']:.3f}]",
        str(kind.order),
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _accumulated(study: Diffusivity, kind: Kind, progress: Progress) -> dict[str, dict[str, list[float]]]:
    """Return ½ΣC/d by number of blocks, a number an input: measured, and by the layers' formulas."""
    x = load("digits").test.x[: study.path_inputs].flatten(1)
    fields = _velocities(study, x.shape[1])
    found: dict[str, dict[str, list[float]]] = {"measured": {}, "formula": {}}
    for done, count in enumerate(study.blocks):
        progress(done, len(study.blocks), f"{count} blocks")
        velocity = partial(next, itertools.cycle(fields))
        network = nn.Sequential(*(kind.block(study, velocity, 1 / count) for _ in range(count)))
        pairs = [_of_one_input(study, network, row, number) for number, row in enumerate(x)]
        found["measured"][str(count)] = [measured for measured, _ in pairs]
        found["formula"][str(count)] = [formula for _, formula in pairs]
    return found


def _of_one_input(study: Diffusivity, network: nn.Module, row: Tensor, number: int) -> tuple[float, float]:
    """Return ½ΣC/d along the path of one input, given twice, with draws that no other input has."""
    found = measure_diffusivity(
        network,
        row.repeat(2, 1),
        draws=study.path_draws,
        eigenvalues=1,
        seed=study.seed + number,
    )
    formulas = (layer.formula.mean_diffusivity for layer in found.layers if layer.formula is not None)
    return found.layers[-1].accumulated.value, found.block_time * sum(formulas)


def _velocities(study: Diffusivity, dimension: int) -> tuple[nn.Module, nn.Module]:
    """Return two velocities, fixed by the seed; blocks with one branch take them in turn."""
    with torch.random.fork_rng():
        torch.manual_seed(study.seed)
        fields = (Velocity(dimension, "tanh"), Velocity(dimension, "tanh"))
    with torch.no_grad():
        for field in fields:
            field.outer.weight.mul_(GAIN)
            field.outer.bias.mul_(GAIN)
    return fields
