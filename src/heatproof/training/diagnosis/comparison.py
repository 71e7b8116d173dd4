"""One training beside another on the same inputs: λ·σ² against λ = 0, or against noise alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heatproof.statistics.paired import PairedDifference
from heatproof.training.diagnosis._chance import surely_higher
from heatproof.training.diagnosis._course import Course, Term
from heatproof.training.diagnosis._finding import Finding
from heatproof.training.diagnosis._knobs import noise_scale, noise_term, turn_noise, turn_weight

__all__ = ["Comparison", "compared", "costly"]

_COARSE = 0.1
_NORMS = {"l2": "ℓ2", "linf": "ℓ∞"}


@dataclass(frozen=True)
class Comparison:
    """`measure` at an ℓ2 or ℓ∞ `radius`, of the run minus that of the other, on inputs that both have."""

    measure: str
    norm: str
    radius: float
    split: str
    difference: PairedDifference

    def __str__(self) -> str:
        place = f"{_NORMS.get(self.norm, self.norm)} radius {self.radius:g}, {self.split}"
        return f"{self.measure} at {place}: {self.difference}"


def compared(course: Course, comparisons: Sequence[Comparison]) -> Finding | None:
    """Return *no effect* where no interval is above 0; None where one is, or nothing is compared.

    The intervals must hold together: give each the share of the level that is its own.
    """
    if not comparisons or helps(comparisons):
        return None
    highest = max(comparisons, key=lambda one: one.difference.high)
    most, inputs = highest.difference.high, highest.difference.trials
    if most > _COARSE:
        return _coarse(highest, inputs)
    change, overrides = _stronger(course, min(one.radius for one in comparisons))
    worse = [one for one in comparisons if one.difference.high < 0]
    less = f" It is worse: {worse[0]}." if worse else ""
    return Finding(
        signature="no effect",
        evidence=(
            f"Against the other run nothing is gained by more than chance; at most in {highest}.{less}"
        ),
        change=change,
        expectation="An interval above 0 at one radius at least.",
        importance=2,
        overrides=overrides,
    )


def helps(comparisons: Sequence[Comparison]) -> bool:
    """Say whether one interval lies above 0."""
    return any(one.difference.low > 0 for one in comparisons)


def costly(course: Course, other: Course, comparisons: Sequence[Comparison]) -> Finding | None:
    """Return *under-fitting* where training accuracy is lower than the other's for no robustness."""
    own, reference = course.accuracies("train"), other.accuracies("train")
    if not own or not reference or not comparisons or helps(comparisons):
        return None
    rows = course.circumstances.train_rows, other.circumstances.train_rows
    if surely_higher((reference[-1], rows[1]), (own[-1], rows[0])) is None:
        return None
    change, overrides = _weaker(course)
    return Finding(
        signature="under-fitting",
        evidence=(
            f"Training accuracy is {own[-1]:.3f} against {reference[-1]:.3f} of the other run, more than "
            f"chance on {rows[0]} rows, and no robustness is gained for it."
        ),
        change=change,
        expectation="Training accuracy comes back to that of the other run.",
        importance=2,
        overrides=overrides,
    )


def _coarse(highest: Comparison, inputs: int) -> Finding:
    return Finding(
        signature="no effect",
        evidence=(
            f"Nothing is gained by more than chance, but on {inputs} inputs a gain of up to "
            f"{highest.difference.high:.2f} cannot be told from none ({highest})."
        ),
        change="Attack or certify more inputs of both runs: attack.limit, certify.limit.",
        expectation="Intervals that are narrow enough to see an effect, or that there is none.",
        importance=1,
    )


def _stronger(course: Course, radius: float) -> tuple[str, tuple[str, ...]]:
    """Turn σ² up where the noise is narrower than half the smallest radius, else λ."""
    noise = noise_term(course)
    if noise is not None and noise_scale(noise) < radius / 2:
        change, overrides = turn_noise(noise, radius)
        return f"{change}.", overrides
    for term in course.penalised:
        change, overrides = turn_weight(term, 10 * (term.weight or 1.0))
        return f"{change}.", overrides
    return "Train with a regulariser of weight > 0, or with more noise.", ()


def _weaker(course: Course) -> tuple[str, tuple[str, ...]]:
    term: Term | None = max(course.penalised, key=lambda one: max(course.penalties(one)), default=None)
    if term is None:
        return "Train with less noise.", ()
    change, overrides = turn_weight(term, (term.weight or 0.0) / 10)
    return f"{change}.", overrides
