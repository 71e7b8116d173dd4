"""A one-sided sequential test of "the probability is at most the threshold", with its exact level.

Votes are draws X₁, X₂, … ~ Bernoulli(p). With k failures (draws that did not vote for the candidate) after n
draws, a look at n certifies p > threshold if k ≤ c(n), and gives up if k ≥ d(n). The horizon is known, and
at it d = c + 1. Futility is binding: a walk that gave up never certifies, and the level counts on it.

P_p(certify) grows with p, so the error of every p ≤ threshold is at most that at the threshold. Proof: draw
both walks from the same uniform numbers U_i, a failure where U_i ≥ p; for p ≤ p' the walk of p' has at
every n no more failures than the walk of p. If the latter certifies at n, then it was below d before n, so
the former was; and at n it is at most c(n), so the former has certified at n or earlier. ∎

Source: exact tests of group-sequential binomial designs (Schultz et al. 1973; Jennison & Turnbull 2000,
§12.1); here the boundary is not of a named shape but the one that needs fewest draws (`_calibration`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from jaxtyping import Int64

from heatproof._check import check_number, check_whole, message
from heatproof.errors import InputError
from heatproof.statistics._path import Passage, walk

__all__ = ["ROUNDING", "Boundary", "draws_needed"]

ROUNDING = 1e-7
"""Share of alpha that is never spent, so that rounding errors of the exact sums cannot exceed it."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """Looks with the most failures that certify and the fewest that give up, for one threshold and alpha.

    `certify_at_most` and `futile_at_least` (looks,): c(n) and d(n); −1 ≤ c < d, at the horizon d = c + 1.
    Errors: `InputError` where the arrays are no such boundary. The level is computed, never taken on trust:
    see `false_certificate_probability` and `check_level`.
    """

    threshold: float
    alpha: float
    looks: Int64[np.ndarray, " looks"]
    certify_at_most: Int64[np.ndarray, " looks"]
    futile_at_least: Int64[np.ndarray, " looks"]

    def __post_init__(self) -> None:
        check_number("threshold", self.threshold, above=0, below=1)
        check_number("alpha", self.alpha, above=0, below=1)
        for values in (self.looks, self.certify_at_most, self.futile_at_least):
            values.setflags(write=False)
        _check_arrays(self.looks, self.certify_at_most, self.futile_at_least)

    @property
    def horizon(self) -> int:
        """The largest number of draws."""
        return int(self.looks[-1])

    @cached_property
    def false_certificate_probability(self) -> float:
        """P(certify) at p = threshold, the largest over all p ≤ threshold; exact. Cost: some milliseconds."""
        return self.certify_probability(self.threshold)

    def certify_probability(self, p: float) -> float:
        """Return P_p(certify), exact up to rounding; it grows with p."""
        return min(1.0, float(self.passage(p).certified.sum()))

    def expected_samples(self, p: float) -> float:
        """Return the mean number of draws at p, exact up to rounding."""
        return self.passage(p).expected_samples(self.looks)

    def passage(self, p: float) -> Passage:
        """Return where walks with P(vote) = p end."""
        check_number("p", p, at_least=0, at_most=1)
        return walk(self.looks, self.certify_at_most, self.futile_at_least, 1.0 - p)

    def check_level(self) -> None:
        """Raise `InputError` if a false certificate is likelier than alpha (exact, room for rounding)."""
        level = self.false_certificate_probability
        if not level <= self.alpha * (1 - ROUNDING / 2):
            allowed = f"at most alpha = {self.alpha:g}"
            raise InputError(message("boundary", f"a false certificate with probability {level:g}", allowed))

    def to_mapping(self) -> dict[str, Any]:
        """Return plain numbers and lists, ready for JSON; `from_mapping` takes them back."""
        return {
            "threshold": self.threshold,
            "alpha": self.alpha,
            "looks": self.looks.tolist(),
            "certify_at_most": self.certify_at_most.tolist(),
            "futile_at_least": self.futile_at_least.tolist(),
        }

    @classmethod
    def from_mapping(cls, values: object) -> Self:
        """Build from `to_mapping`'s plain data and recompute the level, which no writer is trusted with.

        Errors: `InputError` where a value is missing or of a wrong kind, or the level is above alpha.
        """
        if not isinstance(values, Mapping) or set(values) != set(cls.__dataclass_fields__):
            allowed = ", ".join(cls.__dataclass_fields__)
            raise InputError(message("boundary", _kind(values), f"a mapping with the keys {allowed}"))
        built = cls(
            threshold=check_number("threshold", values["threshold"], above=0, below=1),
            alpha=check_number("alpha", values["alpha"], above=0, below=1),
            looks=_whole_numbers("looks", values["looks"]),
            certify_at_most=_whole_numbers("certify_at_most", values["certify_at_most"]),
            futile_at_least=_whole_numbers("futile_at_least", values["futile_at_least"]),
        )
        built.check_level()
        return built


def draws_needed(threshold: float, alpha: float) -> int:
    """Return the fewest draws, all votes, that certify p > threshold: the least n with thresholdⁿ ≤ α."""
    spendable = alpha * (1 - ROUNDING)
    needed = max(1, int(np.ceil(np.log(spendable) / np.log(threshold))))
    return needed if threshold**needed <= spendable else needed + 1


def _kind(values: object) -> str:
    return f"the keys {sorted(map(str, values))}" if isinstance(values, Mapping) else type(values).__name__


def _whole_numbers(name: str, values: object) -> Int64[np.ndarray, " looks"]:
    if not isinstance(values, list | tuple):
        raise InputError(message(name, type(values).__name__, "a list of whole numbers"), name=name)
    return np.array([check_whole(name, value, at_least=-1) for value in values], dtype=np.int64)


def _check_arrays(looks: np.ndarray, certify: np.ndarray, futile: np.ndarray) -> None:
    """Raise `InputError` unless the arrays belong together and every walk ends at the horizon."""
    fits = (
        looks.ndim == 1
        and 0 < len(looks) == len(certify) == len(futile)
        and bool((np.diff(looks, prepend=0) > 0).all())
        and bool(((certify >= -1) & (certify < futile)).all())
        and futile[-1] == certify[-1] + 1
    )
    if not fits:
        allowed = "increasing looks with −1 ≤ certify_at_most < futile_at_least, one apart at the last look"
        raise InputError(message("boundary", f"arrays for {len(looks)} looks", allowed), name="boundary")
