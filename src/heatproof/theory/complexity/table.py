"""The rows of the complexity table, and the orderings between them that theory guarantees."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import permutations
from typing import Any, Literal, TypeAlias

from heatproof._check import check_choice, check_whole, message
from heatproof.errors import InputError
from heatproof.theory.complexity.estimate import Estimate

__all__ = ["ComplexityRow", "Kind", "Ordering", "Subject", "check_orderings", "estimate_row", "orderings"]

Kind: TypeAlias = Literal["bound", "exact", "estimate"]

_SLACK = 1e-9
_RANK = {"estimate": 0, "exact": 1, "bound": 2}


@dataclass(frozen=True)
class Subject:
    """Whose complexity: of the class G (`of`, in words) on the inputs S (`sample`, in words), N = `count`."""

    of: str
    sample: str
    count: int

    def __post_init__(self) -> None:
        check_whole("count", self.count)

    def __str__(self) -> str:
        return f"{self.of} on {self.sample}, N = {self.count}"


@dataclass(frozen=True)
class ComplexityRow:
    """One number about the empirical Rademacher complexity R_S(G).

    kind: `bound`, R_S(G) ≤ value; `exact`, R_S(G) = value; `estimate`, from below: R_S(G) ≥ value up to
        chance.
    name: how it was found. subject: the class and the inputs.
    low, high: the interval of the number where it was drawn (`how` says of what kind, and its confidence),
        else the number itself. `high` is None for an estimate: nothing is known from above.
    constants: b_w, b_x, d, b and whatever else went in, by name.
    Errors: `InputError` for a kind of another name, a missing end, or numbers that are not finite.
    """

    kind: Kind
    name: str
    subject: Subject
    value: float
    low: float
    high: float | None
    constants: Mapping[str, float] = field(default_factory=dict)
    how: str = ""

    def __post_init__(self) -> None:
        check_choice("kind", self.kind, _RANK)
        if not all(math.isfinite(number) for number in (self.value, self.low, self.high or 0.0)):
            got = f"{self.value} [{self.low}, {self.high}]"
            raise InputError(message(self.name, got, "finite numbers"), name="value")
        if self.high is None and self.kind != "estimate":
            raise InputError(message(self.name, "no high", "one for a bound or an exact number"), name="high")

    @property
    def top(self) -> float:
        """The upper end where there is one, else the value."""
        return self.value if self.high is None else self.high

    @property
    def size(self) -> float | None:
        """min(b, b_w·b_x), which bounds R_S(G) without any theory; None where the constants are not known."""
        if not {"weight_bound", "input_bound"} <= self.constants.keys():
            return None
        reach = self.constants["weight_bound"] * self.constants["input_bound"]
        return min(reach, self.constants.get("value_bound", math.inf))

    @property
    def is_trivial(self) -> bool:
        """Whether this is a bound that says no more than `size`."""
        size = self.size
        return self.kind == "bound" and size is not None and self.value >= size * (1.0 - _SLACK)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values; `from_mapping` takes them back."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ComplexityRow:
        """Return the row that `to_mapping` wrote."""
        check_choice("kind", values.get("kind"), _RANK)
        return cls(**{**values, "subject": Subject(**values["subject"])})

    def __str__(self) -> str:
        end = "…" if self.high is None else f"{self.high:.6g}"
        return f"{self.name} of {self.subject}: {self.value:.6g} [{self.low:.6g}, {end}]"


def estimate_row(
    kind: Kind, name: str, subject: Subject, found: Estimate, constants: Mapping[str, float]
) -> ComplexityRow:
    """Return a row for a number that was drawn; an estimate from below claims nothing from above."""
    high = None if kind == "estimate" else found.high
    how = f"{found.how}, {found.confidence:.4g}" if found.draws else found.how
    return ComplexityRow(kind, name, subject, found.value, found.low, high, constants, how)


@dataclass(frozen=True)
class Ordering:
    """`smaller` ≤ `larger`, in words, by theory; it is judged by the ends of intervals that favour it.

    `ratio` encloses smaller over larger (its upper end from the value, where nothing is known above).
    `trivial` says that the larger is min(b, b_w·b_x).
    """

    smaller: str
    larger: str
    low: float
    top: float
    ratio: tuple[float, float]
    trivial: bool = False

    @property
    def holds(self) -> bool:
        """Whether the order is possible within the intervals."""
        return self.low <= self.top + _SLACK * abs(self.top)

    def __str__(self) -> str:
        return f"{self.smaller}: {self.low:.6g}, {self.larger}: {self.top:.6g}"


def orderings(rows: Iterable[ComplexityRow]) -> Iterator[Ordering]:
    """Yield every order that theory guarantees between rows of one class on one sample.

    Exact ≤ bound, estimate ≤ exact, estimate ≤ bound; two exact numbers are equal; a bound that states its
    constants is at most min(b, b_w·b_x). Rows of different classes, samples or N are never compared.
    Errors: `InputError` for rows of one name with different b_w: they are of different classes.
    """
    groups: dict[Subject, list[ComplexityRow]] = {}
    for row in rows:
        groups.setdefault(row.subject, []).append(row)
    for subject, group in groups.items():
        _check_one_class(subject, group)
        for one, other in permutations(group, 2):
            both_exact = one.kind == other.kind == "exact"
            if _RANK[one.kind] < _RANK[other.kind] or both_exact:
                yield _between(one, other)
        bounds = (row for row in group if row.kind == "bound")
        yield from (_under_size(row, size) for row in bounds if (size := row.size) is not None)


def _check_one_class(subject: Subject, rows: Sequence[ComplexityRow]) -> None:
    held = sorted({row.constants["weight_bound"] for row in rows if "weight_bound" in row.constants})
    if len(held) > 1 and held[-1] - held[0] > _SLACK * held[-1]:
        got = f"b_w = {held[0]:g} and {held[-1]:g} in rows of {subject}"
        advice = "Name the classes apart: rows of different classes are not ordered."
        raise InputError(message("rows", got, "one b_w for one class", advice), name="rows")


def check_orderings(rows: Sequence[ComplexityRow]) -> tuple[str, ...]:
    """Return one line for each row that contradicts itself and each broken order; none if all is well."""
    inside = [
        str(row)
        for row in rows
        if not row.low <= row.value <= row.top or (row.kind != "estimate" and row.value < 0)
    ]
    return (*inside, *(str(order) for order in orderings(rows) if not order.holds))


def _between(smaller: ComplexityRow, larger: ComplexityRow) -> Ordering:
    ratio = (_over(smaller.low, larger.top), _over(smaller.top, larger.low))
    name = f"{smaller.name} of {smaller.subject}"
    return Ordering(name, larger.name, smaller.low, larger.top, ratio)


def _under_size(row: ComplexityRow, size: float) -> Ordering:
    name, ratio = f"{row.name} of {row.subject}", (_over(row.low, size), _over(row.value, size))
    return Ordering(name, "min(b, b_w·b_x)", row.low, size, ratio, trivial=True)


def _over(numerator: float, denominator: float) -> float:
    """Return a quotient, with a denominator of 0 taken for the smallest number above it."""
    return numerator / max(denominator, 1e-300)
