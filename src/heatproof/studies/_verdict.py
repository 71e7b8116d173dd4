"""What a study says of a claim: holds, refuted or undecided, by rules that are fixed beforehand."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from heatproof._check import check_number, check_whole, message
from heatproof._intervals import lower_bound, proportion
from heatproof.errors import InputError

__all__ = [
    "Outcome",
    "Verdict",
    "from_counts",
    "from_detections",
    "from_deviations",
    "from_interval",
    "from_ratios",
]

Outcome: TypeAlias = Literal["holds", "refuted", "undecided"]

_FALSE_ALARM = 1e-6
"""The largest probability with which `from_counts` refutes a claim that is true."""


@dataclass(frozen=True)
class Verdict:
    """One claim and what became of it.

    `quantity` names the number that decided, `value` is it, `low` and `high` its interval: an enclosure where
    the number was computed, a 95 % confidence interval where it was sampled. `expected` is what theory says
    of the claim: a negative control expects "refuted", an open question, of which theory says nothing, None.
    """

    claim: str
    outcome: Outcome
    quantity: str
    value: float
    low: float
    high: float
    evidence: str
    expected: Outcome | None = "holds"

    @property
    def as_expected(self) -> bool:
        """Whether the outcome is not against theory: it is what theory predicts, or theory is silent."""
        return self.expected is None or self.outcome == self.expected

    @property
    def remark(self) -> str:
        """What theory says of the claim, in words."""
        if self.expected is None:
            return "an open question"
        return "as theory says" if self.as_expected else f"theory: {self.expected}"

    @property
    def interval(self) -> str:
        """The number with its interval, as text."""
        if self.low == self.high:
            return f"{self.value:.4g} (exact)"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "as_expected": self.as_expected}


def from_ratios(
    claim: str,
    ratios: Sequence[tuple[float, float]],
    *,
    quantity: str,
    evidence: str,
    expected: Outcome | None = "holds",
    slack: float = 1e-9,
) -> Verdict:
    """Judge "claimed ≤ true" from enclosures (low, high) of claimed/true, one for each case.

    Refuted if any ratio is above 1 by its whole interval, that is low > 1 + slack; holds if every
    high ≤ 1 + slack; undecided else. `slack` pays for the rounding of floating point.
    """
    _check_cases("ratios", [end for pair in ratios for end in pair])
    low, high = max(pair[0] for pair in ratios), max(pair[1] for pair in ratios)
    outcome: Outcome = "undecided"
    if low > 1 + slack:
        outcome = "refuted"
    elif high <= 1 + slack:
        outcome = "holds"
    return Verdict(claim, outcome, quantity, (low + high) / 2, low, high, evidence, expected)


def from_deviations(
    claim: str, deviations: Sequence[float], *, evidence: str, tolerance: float = 1e-9
) -> Verdict:
    """Judge "is equal" from relative deviations: holds if all are at most `tolerance`, else refuted."""
    _check_cases("deviations", deviations)
    most = max(map(abs, deviations))
    outcome: Outcome = "holds" if most <= tolerance else "refuted"
    quantity = f"largest relative deviation (tolerance {tolerance:g})"
    return Verdict(claim, outcome, quantity, most, most, most, evidence)


def _check_cases(name: str, numbers: Sequence[float]) -> None:
    """Raise `InputError` for no numbers, or a NaN, which no comparison would notice."""
    if not numbers or any(math.isnan(number) for number in numbers):
        got = "a NaN" if numbers else "none"
        raise InputError(message(name, got, "at least one case, all of them numbers"), name=name)


def from_counts(
    claim: str,
    violations: int,
    trials: int,
    *,
    quantity: str,
    evidence: str,
    allowed: float = 0.0,
    limit: float = 0.05,
    expected: Outcome | None = "holds",
) -> Verdict:
    """Judge a claim that each trial may violate with probability `allowed`, from independent trials.

    Refuted if so many violations have probability ≤ 10⁻⁶ under `allowed` (with `allowed` 0: at the first).
    Holds if not, and the upper end of the 95 % Clopper–Pearson interval is at most `limit`, which says how
    large a study it takes. Undecided else. No trials leave the interval [0, 1].
    """
    check_whole("trials", trials, at_least=0)
    check_number("limit", limit, at_least=allowed, below=1)
    if trials == 0:
        return Verdict(claim, "undecided", quantity, 0.0, 0.0, 1.0, evidence, expected)
    interval = proportion(violations, trials)
    outcome: Outcome = "holds" if interval.high <= limit else "undecided"
    if violations and (not allowed or lower_bound(violations, trials, _FALSE_ALARM) > allowed):
        outcome = "refuted"
    return Verdict(claim, outcome, quantity, interval.value, interval.low, interval.high, evidence, expected)


def from_interval(
    claim: str,
    interval: tuple[float, float, float],
    *,
    quantity: str,
    evidence: str,
    expected: Outcome | None = None,
) -> Verdict:
    """Judge "the number is positive" from (value, low, high): holds if low > 0, refuted if high < 0."""
    value, low, high = interval
    outcome: Outcome = "holds" if low > 0 else "refuted" if high < 0 else "undecided"
    return Verdict(claim, outcome, quantity, value, low, high, evidence, expected)


def from_detections(claim: str, caught: int, trials: int, *, evidence: str) -> Verdict:
    """Judge "every planted fault is caught": holds if all were, refuted at the first that was not."""
    if trials == 0:
        return Verdict(claim, "undecided", "share caught", 0.0, 0.0, 1.0, evidence)
    share = proportion(caught, trials)
    outcome: Outcome = "holds" if caught == trials else "refuted"
    return Verdict(claim, outcome, "share caught", share.value, share.low, share.high, evidence)
