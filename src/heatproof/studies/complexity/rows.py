"""Rows of complexities as tables, and the orders between them as verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from heatproof.studies._study import StudyTable
from heatproof.studies._verdict import Verdict, from_ratios
from heatproof.theory.complexity import ComplexityRow, check_orderings, orderings

__all__ = ["clipped", "from_below_verdict", "number", "read", "table", "worst_order"]


def clipped(values: torch.Tensor) -> torch.Tensor:
    """Return ρ(z) = min(1, max(−1, z)), 1-Lipschitz, with ρ(0) = 0."""
    return values.clamp(-1.0, 1.0)


def read(rows: Iterable[dict[str, Any]]) -> tuple[ComplexityRow, ...]:
    """Return the rows that a cell stored."""
    return tuple(ComplexityRow.from_mapping(row) for row in rows)


def number(value: float) -> str:
    """Return a number with three digits."""
    return f"{value:.3g}"


def table(title: str, rows: Sequence[ComplexityRow], note: str = "") -> StudyTable:
    """Return the table: class, N, kind, how it was found, the number with its interval, constants."""
    columns = ("class", "N", "kind", "found by", "R", "interval", "b_w", "b_x", "d", "b")
    return StudyTable(title, columns, tuple(map(_texts, rows)), note)


def _texts(row: ComplexityRow) -> tuple[str, ...]:
    end = "?" if row.high is None else number(row.high)
    interval = "–" if row.low == row.high else f"{number(row.low)} … {end}"
    names = ("weight_bound", "input_bound", "dimension", "value_bound")
    constants = (number(row.constants[name]) if name in row.constants else "–" for name in names)
    kind = "bound, trivial" if row.is_trivial else row.kind
    shown = (row.subject.of, str(row.subject.count), kind, row.name, number(row.value), interval)
    return (*shown, *constants)


def worst_order(claim: str, rows: Sequence[ComplexityRow]) -> Verdict:
    """Judge that every order which theory guarantees between rows of one class is kept."""
    found = [order.ratio for order in orderings(rows) if not (order.trivial and order.holds)]
    broken = check_orderings(rows)
    said = f", broken: {'; '.join(broken)}" if broken else ""
    if all(row.is_trivial for row in rows if row.kind == "bound"):
        said += "; every bound is trivial, min(b, b_w·b_x), so nothing else could come out"
    return from_ratios(
        claim,
        found,
        quantity="largest ratio of smaller over larger",
        evidence=f"{len(found)} orders between rows of one class on one sample{said}",
    )


def from_below_verdict(
    claim: str, pairs: Sequence[tuple[ComplexityRow, float]], *, expected: Any = "holds", evidence: str
) -> Verdict:
    """Judge "R ≤ bound" from estimates from below: refuted if a lower limit exceeds the bound."""
    ratios = [(row.low / bound, row.value / bound) for row, bound in pairs]
    quantity = "largest estimate over bound (lower limit, estimate)"
    return from_ratios(claim, ratios, quantity=quantity, evidence=evidence, expected=expected)
