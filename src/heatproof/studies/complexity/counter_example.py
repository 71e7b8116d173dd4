"""The covering bound with the b_x of the inputs, refuted for a class evolved by an expanding velocity."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from heatproof._types import Progress
from heatproof.studies._study import Cell, Results, Section, Summary
from heatproof.studies.complexity.linear_flow import LinearFlow
from heatproof.studies.complexity.rows import clipped, from_below_verdict, read, table
from heatproof.theory.complexity import ComplexityRow, base_rows, evolved_rows

if TYPE_CHECKING:
    from heatproof.studies.complexity.study import Complexity

__all__ = ["FLOW", "cells", "measured", "summarise"]

FLOW = LinearFlow(rate=5.0, diffusivity=0.05)
WEIGHT_BOUND, DIMENSION, COUNT = 0.01, 10, 100
PRINTED = 3.0 * WEIGHT_BOUND
"""The formula's infimum with b = 1 and b_x = 1 over every ε for which it is defined: at ε = 3·b_w·b_x."""


def cells(study: Complexity) -> Iterator[Cell]:
    """Yield the one cell."""
    yield Cell("counter-example", partial(_measured, study))


def summarise(study: Complexity, results: Results) -> Summary:
    """Return the two verdicts, on the bound with the old and with the corrected b_x."""
    del study
    rows = read(results["counter-example"])
    evolved = [row for row in rows if "v = 5x" in row.subject.of]
    (found,) = (row for row in evolved if row.kind == "estimate")
    (corrected,) = (row for row in evolved if row.name == "covering")
    old = max(PRINTED, _old(rows).value)
    verdicts = (
        from_below_verdict(
            "Evolved classes: the covering bound holds with the b_x of the inputs",
            [(found, old)],
            expected="refuted",
            evidence=f"clip(w·x), v = 5x, σ² = 0.05, d = {DIMENSION}, N = {COUNT}, b_w = {WEIGHT_BOUND:g}, "
            f"b_x = 1: the formula gives {_old(rows).value:.4f} (b = b_w·b_x) or {PRINTED:g} (b = 1), and "
            "members of the class that were found reach more",
        ),
        from_below_verdict(
            "The same class: the covering bound holds with b_x = max_i E‖X_T‖_∞",
            [(found, corrected.low)],
            evidence=f"the corrected bound is {corrected.value:.3g}",
        ),
    )
    section = Section(
        "A counter-example",
        "Inputs at corners of the box [−1, 1]^10. The velocity carries them a factor e⁵ = 148 away from the "
        "origin, where weights of length 0.01 are long enough to saturate the clipped class. The rows "
        "without velocity are those that the uncorrected statement would carry over. (With b = 1 and "
        "ε ≤ b_w·b_x the formula gives 0.48: more than the trivial bound b_w·b_x = 0.01 of the class without "
        "velocity, so it says nothing, and nothing refutes it.)",
        (table("Without and with the velocity", rows),),
    )
    return Summary(verdicts, (section,))


def measured(seed: int, path_draws: int) -> tuple[ComplexityRow, ...]:
    """Return the rows of the class before and after its evolution."""
    generator = torch.Generator().manual_seed(seed)
    x = 2.0 * torch.randint(0, 2, (COUNT, DIMENSION), generator=generator).double() - 1.0
    before = base_rows(x, WEIGHT_BOUND, clipped, 1.0, subject=("clip(w·x)", "corners"), seed=seed)
    after = evolved_rows(
        FLOW,
        x,
        WEIGHT_BOUND,
        clipped,
        1.0,
        subject=("clip(w·x), v = 5x", "corners"),
        spread=FLOW.spread,
        draws=path_draws,
        seed=seed,
    )
    return (*before, *after)


def _measured(study: Complexity, progress: Progress) -> list[dict[str, Any]]:
    del progress
    return [row.to_mapping() for row in measured(study.seed, study.path_draws)]


def _old(rows: tuple[ComplexityRow, ...]) -> ComplexityRow:
    return next(row for row in rows if row.name == "covering" and "v = 5x" not in row.subject.of)
