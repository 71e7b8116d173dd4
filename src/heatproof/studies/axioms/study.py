"""Which axioms of evolution operators hold: by construction, by measurement, or not."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self, final

from pydantic import Field

from heatproof.studies._study import Part, Study
from heatproof.studies.axioms import catalogue, controls, solved, trained
from heatproof.theory.axioms import Effort

__all__ = ["Axioms"]

_Positive = Annotated[float, Field(gt=0)]


@final
class Axioms(Study):
    """The axioms of arXiv 2307.12333, section 2, and Theorem 2.2 turned round, on solvers and networks."""

    name: ClassVar[str] = "axioms"
    title: ClassVar[str] = "Axioms of evolution operators, measured"
    question: ClassVar[str] = (
        "Which axioms do solvers and trained networks satisfy, and which equation do they solve?"
    )
    method: ClassVar[tuple[str, ...]] = (
        (
            "T_{t,r} carries functions at time r to time t. Comparison: f ≤ g gives T f ≤ T g. Linearity. "
            "Constants stay. Markov: T_{t,r} = T_{t,z} T_{z,r}. Locality: f = g near x gives a difference "
            "of o(η). Regularity in space and time: bounded constants as η → 0. Batch: the value at a point "
            "does not depend on others."
        ),
        (
            "For each axiom a search looks for the worst case: random starts, then gradient ascent on the "
            "violation over the parameters of the test functions (waves, ridges, bumps), their factors and "
            "the points. “By construction” is what an operator proves of itself; the search is run all the "
            "same. A violation must be above rounding; locality must decay faster than η; constants must not "
            "grow by 2^0.25 when η is halved. A search proves violations, never that there are none."
        ),
        (
            "A network's own evolution acts on its states: T f = E f(blocks), block l acting on the l-th "
            "part of the time, counted down. With noise in the blocks T f is a mean over fixed draws. A "
            "time-conditioned network g(x, t) is no operator on f: of it range, consistency in time and the "
            "equation's residual are asked."
        ),
    )
    duration: ClassVar[str] = "full: within 5 minutes on 2 cores; --quick: under a minute"
    parts: ClassVar[tuple[Part, ...]] = (solved, controls, catalogue, trained)

    points: int = Field(6, ge=2)
    functions: int = Field(12, ge=3)
    starts: int = Field(6, ge=1)
    ascents: int = Field(30, ge=1)
    halvings: int = Field(6, ge=3)
    paths: int = Field(256, ge=4, multiple_of=2)
    """Paths of the Feynman–Kac solver."""

    recipes: tuple[str, ...] = ("digits_natural", "digits_convection_diffusion", "half_moons")
    budget: int | None = Field(None, ge=1)
    """Evaluations an input of each training; None leaves it to the recipe."""
    draws: int = Field(64, ge=2)
    """Draws of a network with noise when its axioms are measured."""
    noise_share: _Positive = 0.1
    """Standard deviation of injected noise, as a share of the spread of the states."""
    survival: float = Field(0.8, gt=0, lt=1)
    recovery_draws: int = Field(512, ge=2)
    recovery_seeds: int = Field(8, ge=3)
    recovery_points: int = Field(2, ge=1)
    fresh_draws: int = Field(4096, ge=100)
    catalogue_points: int = Field(4, ge=1)

    @classmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return shorter searches and trainings."""
        return cls(
            seed=seed,
            points=4,
            functions=6,
            starts=4,
            ascents=12,
            halvings=5,
            paths=64,
            recipes=("digits_convection_diffusion", "half_moons"),
            budget=40,
            draws=32,
            recovery_draws=256,
            recovery_seeds=6,
            recovery_points=2,
            fresh_draws=2048,
            catalogue_points=2,
        )

    @property
    def effort(self) -> Effort:
        """How hard each search tries."""
        return Effort(self.starts, self.ascents)
