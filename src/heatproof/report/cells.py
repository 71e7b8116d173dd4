"""One cell of the table: the number, and how it is written."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from heatproof._intervals import Interval
from heatproof.report.summary import AverageRadius

__all__ = [
    "NOT_DECIDED",
    "NOT_MEASURED",
    "Cell",
    "average_cell",
    "count_cell",
    "format_norm",
    "format_radius",
    "number_cell",
    "share_cell",
]

NOT_MEASURED = "not measured"
NOT_DECIDED = "not decided"
_NORMS = {"l1": "ℓ1", "l2": "ℓ2", "linf": "ℓ∞", "1": "ℓ1", "2": "ℓ2", "inf": "ℓ∞"}


@dataclass(frozen=True)
class Cell:
    """One entry: `text` to print, `detail` under it (an interval), and the number itself with its ends.

    `value` is None where nothing was measured.
    """

    text: str
    detail: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None


def share_cell(interval: Interval | None, absent: str = NOT_MEASURED) -> Cell:
    """Return a proportion in per cent with its interval under it, or `absent`."""
    if interval is None:
        return Cell(absent)
    detail = f"{100 * interval.low:.1f} – {100 * interval.high:.1f}"
    return Cell(f"{100 * interval.value:.1f} %", detail, interval.value, interval.low, interval.high)


def count_cell(interval: Interval) -> Cell:
    """Return a count out of how many."""
    return Cell(str(interval.successes), f"of {interval.trials}", float(interval.successes))


def average_cell(average: AverageRadius) -> Cell:
    """Return an average certified radius with its interval under it (none for one input)."""
    if average.count == 1:
        return Cell(f"{average.value:.3f}", "", average.value)
    detail = f"{average.low:.3f} – {average.high:.3f}"
    return Cell(f"{average.value:.3f}", detail, average.value, average.low, average.high)


def number_cell(value: float | None, form: str) -> Cell:
    """Return a number in the given format, or that it was not measured."""
    return Cell(NOT_MEASURED) if value is None else Cell(format(value, form), value=float(value))


def format_norm(norm: str) -> str:
    """Return the sign of a norm (ℓ2, ℓ∞) for its name, or the name itself where it is not known."""
    return _NORMS.get(norm.lower(), norm)


def format_radius(radius: float) -> str:
    """Return a certified radius to three places, rounded down: what is printed is never more than proved."""
    return str(Decimal(repr(float(radius))).quantize(Decimal("0.001"), rounding=ROUND_DOWN))
