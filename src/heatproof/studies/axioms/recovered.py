"""The diffusion of trained networks with noise, recovered from the outside, against the layers' formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from heatproof.networks import EquationLayer
from heatproof.studies._study import Section, StudyTable, Summary
from heatproof.studies._verdict import Verdict, from_counts
from heatproof.studies.axioms.charts import recovery_chart
from heatproof.studies.axioms.networks import KINDS, Trained
from heatproof.theory.axioms import NetworkEvolution
from heatproof.theory.complexity import mean_interval
from heatproof.theory.recovery import recover

if TYPE_CHECKING:
    from heatproof.studies.axioms.study import Axioms

__all__ = ["measured", "summarise"]

_CONFIDENCE = 0.999


def measured(study: Axioms, trained: Trained, number: int = 0) -> dict[str, Any]:
    """Return recovered and stated tr A of every block at some states, and what has no noise at all.

    `number` is that of the network in the study: no two intervals share a draw.
    """
    rows: list[dict[str, Any]] = []
    for kind in KINDS[1:]:
        operator = NetworkEvolution(trained.blocks(study, kind), draws=study.recovery_draws)
        for block in range(len(operator.blocks)):
            for state in trained.states[: study.recovery_points].split(1):
                first = ((study.seed * 1000 + number) * 1000 + len(rows)) * study.recovery_seeds
                seeds = range(first, first + study.recovery_seeds)
                rows.append({"kind": kind, "block": block, **_recovered(operator, block, state, seeds)})
    plain = NetworkEvolution(trained.blocks(study, "no noise"))
    state = trained.states[:1]
    silent = recover(plain, state, 0.0, step=plain.time_step, levels=1)
    with torch.no_grad():
        branch = trained.backbone.velocities[-1](state)
    return {
        "rows": rows,
        "silent": float(silent.matrix.abs().max()),
        "velocity_error": float((silent.velocity - branch).abs().max() / branch.abs().max()),
    }


def summarise(found: Mapping[str, Any]) -> Summary:
    """Return the verdict on coverage, the control by a factor 2, and the table."""
    rows = [{"recipe": name, **row} for name, one in found.items() for row in one["recovered"]["rows"]]
    verdicts = (
        _coverage(rows, 1.0, "A recovered from noisy networks is C/(2Δt) of their layers", control=False),
        _coverage(rows, 2.0, "A recovered from noisy networks is C/Δt of their layers", control=True),
    )
    silent, error = (max(one["recovered"][k] for one in found.values()) for k in ("silent", "velocity_error"))
    columns = ("recipe", "noise", "block", "tr A, recovered", "tr A, formula", "½C over the block")
    table = StudyTable(
        "Recovered diffusion of each block (mean over states)",
        columns,
        tuple(_row(group) for group in _grouped(rows)),
        "½C, the trace of half the covariance of one step, is tr A times the block's share of time. Without "
        f"noise the largest entry of A is {silent:.1e}, and v is the trained branch up to {error:.1e}.",
    )
    text = (
        "A of each block from values of T on quadratic functions alone, at states of test inputs, for "
        "several seeds of the draws; the factor n/(n − 1) of a covariance around a mean of n draws is taken "
        "out."
    )
    section = Section("The diffusion that noise induces", text, (table,), (recovery_chart(rows),))
    return Summary(verdicts, (section,))


def _coverage(rows: Sequence[Mapping[str, Any]], factor: float, claim: str, *, control: bool) -> Verdict:
    missed = sum(not row["low"] <= factor * row["stated"] <= row["high"] for row in rows)
    return from_counts(
        claim,
        missed,
        len(rows),
        quantity="share of intervals that miss the formula",
        evidence=f"{missed} of {len(rows)} intervals of {100 * _CONFIDENCE:g} % for tr A miss"
        + (" (a control: the diffusivity mistaken for the variance)" if control else ""),
        allowed=0.0 if control else 1 - _CONFIDENCE,
        limit=0.15,
        expected="refuted" if control else "holds",
    )


def _recovered(
    operator: NetworkEvolution, block: int, state: torch.Tensor, seeds: Sequence[int]
) -> dict[str, float]:
    """Return tr A of a block at one state, recovered with an interval over seeds, and by its formula."""
    step, draws = operator.time_step, operator.draws or 2
    start = (len(operator.blocks) - 1 - block) * step
    traces = []
    for seed in seeds:
        found = recover(operator.reseeded(seed), state, start, step=step, levels=1)
        traces.append(draws / (draws - 1) * float(found.matrix[0].trace()))
    estimate = mean_interval(traces, _CONFIDENCE)
    layer = operator.blocks[block]
    if not isinstance(layer, EquationLayer):
        raise TypeError(f"{type(layer).__name__} states no diffusion")
    with torch.no_grad():
        stated = float(layer.diffusion(step).matrix(state, 0.0)[0].trace())
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high or 0.0, "stated": stated}


def _grouped(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple[str, str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["recipe"], row["kind"], row["block"]), []).append(row)
    return list(groups.values())


def _row(group: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    first, blocks = group[0], 4
    value, stated = (sum(row[name] for row in group) / len(group) for name in ("value", "stated"))
    numbers = (f"{value:.4g}", f"{stated:.4g}", f"{stated / blocks:.4g}")
    return (first["recipe"], first["kind"], f"{first['block'] + 1}", *numbers)
