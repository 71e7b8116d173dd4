"""What a solver states of itself, as data; the conformance tests hold it to that."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Properties"]


@dataclass(frozen=True)
class Properties:
    """What is promised for every problem that the solver takes.

    order: error = O(step^order) for smooth data, where `step` is what `refined` divides; of the mean where
        the solver is random (weak order). None where there is no step, or no rate is known.
    random: values are means over draws, with a standard error. For a fixed seed the draws are the same for
        all problems, points and initial values, so the promises below hold exactly, not only on average.
    monotone: f ≤ g gives values ≤ (the comparison principle of the discrete operator).
    keeps_range: values stay within the range of f; follows from monotone and keeps_constants, not the
        other way round (limiters keep the range and are not monotone).
    linear: the value is linear in f.
    keeps_constants: a constant f stays.
    keeps_mass: Σu over a periodic grid, or over a graph, stays where div v = 0, up to rounding.
    markov: solving to z and from there, over whole steps, is solving at once, up to rounding, or up to the
        error bound of `Solution.numbers` where a `tolerance` above rounding is set.
    differentiable: autograd gives the gradient in x.
    """

    order: float | None
    random: bool
    monotone: bool
    keeps_range: bool
    linear: bool
    keeps_constants: bool
    keeps_mass: bool
    markov: bool
    differentiable: bool

    def words(self) -> tuple[str, ...]:
        """Return the promises in words, for tables."""
        named = {
            "monotone": self.monotone,
            "keeps range": self.keeps_range,
            "linear": self.linear,
            "keeps constants": self.keeps_constants,
            "keeps mass": self.keeps_mass,
            "Markov": self.markov,
            "differentiable": self.differentiable,
        }
        return tuple(name for name, promised in named.items() if promised)
