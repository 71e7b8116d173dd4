"""Base classes on pixels: bounds against the exact value, at several N."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from heatproof._types import Progress
from heatproof.studies._study import Cell, Results, Section, Summary
from heatproof.studies.complexity.charts import count_chart
from heatproof.studies.complexity.inputs import pixels
from heatproof.studies.complexity.rows import clipped, read, table, worst_order
from heatproof.theory.complexity import base_rows

if TYPE_CHECKING:
    from heatproof.studies.complexity.study import Complexity

__all__ = ["cells", "summarise"]

LINEAR, CLIPPED = "w·x", "clip(w·x)"


def cells(study: Complexity) -> Iterator[Cell]:
    """Yield a cell for each N."""
    for count in study.counts:
        yield Cell(f"base.n={count}", partial(_measured, study, count))


def summarise(study: Complexity, results: Results) -> Summary:
    """Return the verdict on the orders, the table, and complexity against N."""
    rows = read(row for count in study.counts for row in results[f"base.n={count}"])
    verdict = worst_order("Base classes: no bound is below the exact complexity, or below any member", rows)
    linear = [row for row in rows if row.subject.of == LINEAR]
    section = Section(
        "Base classes on pixels",
        "Linear and clipped linear functions of the 64 pixels, scaled to [−1, 1]. For the linear class the "
        "complexity is a mean over signs, and known. Contraction: the exact number of the linear class "
        "bounds the clipped one.",
        (table("Base classes", rows, "Pixels in [−1, 1]; d = 64."),),
        (
            count_chart(
                linear,
                "The linear class against N",
                "Both axes logarithmic. The gap to the exact value is what a bound gives away; the covering "
                "bound pays for all 64 dimensions, Massart's for their logarithm.",
            ),
        ),
    )
    return Summary((verdict,), (section,))


def _measured(study: Complexity, count: int, progress: Progress) -> list[dict[str, Any]]:
    x, draws, seed = pixels(count), study.sign_draws, study.seed
    linear = base_rows(x, study.weight_bound, subject=(LINEAR, "digits"), draws=draws, seed=seed)
    progress(1, 2, "linear")
    bound, subject = study.clipped_weight_bound, (CLIPPED, "digits")
    cut = base_rows(x, bound, clipped, 1.0, subject=subject, draws=draws, seed=seed)
    return [row.to_mapping() for row in (*linear, *cut)]
