"""No effect: the regulariser is so weak that the training is the one without it.

Two rules for the records of one training. *Weight*: λ·L2 was never above 10⁻³ of log K, the cross-entropy of
a constant answer: the term was lost beside the labels from the first epoch to the last. A yardstick,
calibrated on handwritten digits (noise_std .25, attacked in ℓ2 at .5): where it speaks (λ up to .03), robust
accuracy was within .3 points of λ = 0; at 20 times its limit (λ = 1) it was 6 points above. *Noise*: its
scale is under a twentieth of the spread of the data. No certificate of noise_std s reaches beyond 4s (100,000
draws, alpha .001), so all radii are then too small to matter; on digits λ = 10 had no effect there either.

A third compares with another training, of λ = 0 or of noise alone, on the same inputs (`compared`).

λ = 0 is a choice and no finding. The unbiased residual is near 0 where the equation holds, and is not judged.
"""

from __future__ import annotations

from heatproof.training.diagnosis._course import Course, Term
from heatproof.training.diagnosis._finding import Finding
from heatproof.training.diagnosis._knobs import noise_scale, noise_term, turn_noise, turn_weight

__all__ = ["no_effect"]

_WEAK = 1e-3
_AIM = 2e-2
_NARROW = 1 / 20

_Change = tuple[str, str, tuple[str, ...]]


def no_effect(course: Course) -> Finding | None:
    """Return the finding, if there is one."""
    if not course.mature:
        return None
    found = [one for one in (_weight(course), _noise(course)) if one is not None]
    if not found:
        return None
    return Finding(
        signature="no effect",
        evidence=" ".join(evidence for evidence, _, _ in found),
        change=f"{' '.join(change for _, change, _ in found)}.",
        expectation=(
            "The loss is then visibly above that without it, and robust or certified accuracy differs from "
            "that of training without it by more than chance (heatproof doctor RUN --against OTHER)."
        ),
        importance=2,
        overrides=tuple(override for _, _, overrides in found for override in overrides),
    )


def _weight(course: Course) -> _Change | None:
    terms = [term for term in course.penalised if not getattr(term.objective, "unbiased", False)]
    peaks = {term.path: max(map(abs, course.penalties(term))) for term in terms}
    if not terms or max(peaks.values()) > _WEAK * course.constant:
        return None
    term = max(terms, key=lambda one: peaks[one.path])
    peak, weight = peaks[term.path], term.weight or 0.0
    raised = weight * _AIM * course.constant / peak if peak > 0 else 1e9
    change, overrides = turn_weight(term, raised)
    evidence = (
        f"The penalty of weight {weight:g} was never above {peak:.2g}, where a constant answer costs "
        f"{course.constant:.3g}."
    )
    return evidence, change, overrides


def _noise(course: Course) -> _Change | None:
    term: Term | None = noise_term(course)
    spread = course.circumstances.spread
    if term is None or noise_scale(term) >= _NARROW * spread:
        return None
    change, overrides = turn_noise(term, spread / 2)
    evidence = (
        f"The noise (scale {noise_scale(term):.3g}) is under a twentieth of the spread of the data "
        f"({spread:.3g})."
    )
    return evidence, change, overrides
