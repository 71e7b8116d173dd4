"""The entries of a configuration that diagnoses turn: the weight and the noise of an objective."""

from __future__ import annotations

from heatproof.training.diagnosis._course import Course, Term
from heatproof.training.diagnosis._finding import one_digit, turn

__all__ = ["noise_scale", "noise_term", "tamed", "turn_noise", "turn_weight"]


def noise_term(course: Course) -> Term | None:
    """Return the first term that has a noise; all that have one have the same."""
    return next((term for term in course.terms if term.objective.smoothing_noise is not None), None)


def noise_scale(term: Term) -> float:
    """Return the scale of its noise: noise_std of Gaussian noise, and what is like it of the others."""
    noise = term.objective.smoothing_noise
    return 0.0 if noise is None else noise.scale


def turn_noise(term: Term, scale: float) -> tuple[str, tuple[str, ...]]:
    """Return the change that gives the noise this scale, to one digit, in the words it was given in."""
    objective, scale = term.objective, one_digit(scale)
    if getattr(objective, "diffusivity", None) is not None:
        return turn(f"{term.path}.diffusivity", one_digit(scale**2 / 2))
    if getattr(objective, "noise_std", None) is not None:
        return turn(f"{term.path}.noise_std", scale)
    noise = objective.smoothing_noise
    fields = {} if noise is None else noise.to_mapping()
    field = next((name for name, value in fields.items() if value == noise_scale(term)), "scale")
    return turn(f"{term.path}.noise.{field}", scale)


def tamed(course: Course, term: Term) -> float:
    """Return a λ that would have been bearable: a tenth at most, and with a penalty never above .1·log K."""
    weight, largest = term.weight or 0.0, max(course.penalties(term), default=0.0)
    return weight / 10 if largest <= 0 else min(weight / 10, 0.1 * weight * course.constant / largest)


def turn_weight(term: Term, weight: float) -> tuple[str, tuple[str, ...]]:
    """Return the change that gives λ this value, to one digit."""
    return turn(f"{term.path}.weight", one_digit(min(weight, 1e9)))
