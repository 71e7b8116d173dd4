"""Evolved classes on pixels: heat flow alone, with a contracting and with an expanding velocity."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from heatproof._types import Progress
from heatproof.equation import diffusivity_of
from heatproof.studies._study import Cell, Results, Section, Summary
from heatproof.studies.complexity.base import CLIPPED, LINEAR
from heatproof.studies.complexity.charts import count_chart
from heatproof.studies.complexity.inputs import pixels
from heatproof.studies.complexity.linear_flow import LinearFlow
from heatproof.studies.complexity.rows import clipped, read, table, worst_order
from heatproof.theory.complexity import base_rows, evolved_rows

if TYPE_CHECKING:
    from heatproof.studies.complexity.study import Complexity

__all__ = ["cells", "flow_name", "summarise"]


def flow_name(rate: float) -> str:
    """Return what happens before the base class, in words."""
    if rate == 0:
        return "heat flow"
    factor = "" if abs(rate) == 1 else f"{abs(rate):g}"
    return f"v = {'−' if rate < 0 else ''}{factor}x with heat flow"


def cells(study: Complexity) -> Iterator[Cell]:
    """Yield a cell for each velocity and N."""
    for number, count in _places(study):
        yield Cell(_key(number, count), partial(_measured, study, number, count))


def summarise(study: Complexity, results: Results) -> Summary:
    """Return the verdict on the orders, the table of the largest N, and complexity against N."""
    rows = read(row for place in _places(study) for row in results[_key(*place)])
    claim = "Evolved classes, b_x = max_i E‖X_T‖_∞: no bound is below the exact value, or below any member"
    verdict = worst_order(claim, rows)
    most = max(study.counts)
    largest = [row for row in rows if row.subject.count == most]
    shown = f"{CLIPPED}, {flow_name(min(study.rates, key=abs))}"
    section = Section(
        "Evolved classes with a fixed velocity",
        "v = Λx and isotropic diffusion over one unit of time, in closed form; σ² = noise_std²/2. "
        "Covering: with b_x replaced by max_i E‖X_T‖_∞, which paths can make much larger than that of the "
        "inputs. Jensen: the exact number of the linear class at the end points, averaged over paths.",
        (table(f"Evolved classes, N = {most}", largest, f"noise_std {study.noise_std:g}."),),
        (
            count_chart(
                [row for row in rows if row.subject.of == shown],
                f"The evolved class: {shown}",
                "The estimate comes from members that were searched for, for each draw of signs. The exact "
                "complexity lies between it and the lowest bound.",
            ),
        ),
    )
    return Summary((verdict,), (section,))


def _places(study: Complexity) -> list[tuple[int, int]]:
    return [(number, count) for number in range(len(study.rates)) for count in study.counts]


def _key(number: int, count: int) -> str:
    return f"flow.{number}.n={count}"


def _measured(study: Complexity, number: int, count: int, progress: Progress) -> list[dict[str, Any]]:
    """Return the rows of the clipped class, and of the linear one, whose evolution is linear in E X_T."""
    rate, x = study.rates[number], pixels(count)
    flow = LinearFlow(rate, diffusivity_of(study.noise_std))
    cut = evolved_rows(
        flow,
        x,
        study.clipped_weight_bound,
        clipped,
        1.0,
        subject=(f"{CLIPPED}, {flow_name(rate)}", "digits"),
        spread=flow.spread,
        draws=study.path_draws,
        seed=study.seed,
    )
    progress(1, 2, "clipped")
    linear = base_rows(
        flow.growth * x,
        study.weight_bound,
        subject=(f"{LINEAR}, {flow_name(rate)}", "digits"),
        draws=study.sign_draws,
        seed=study.seed,
    )
    return [row.to_mapping() for row in (*cut, *linear)]
