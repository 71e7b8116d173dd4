"""Figure 2 of arXiv 2307.12333 with adapted attacks: half-moons, robust accuracy over λ × σ²."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self, final

from pydantic import Field

from heatproof.studies._study import Part, Study
from heatproof.studies.half_moons import comparison, grid, honesty, stability

__all__ = ["HalfMoons"]

_Positive = Annotated[float, Field(gt=0, le=1e6)]
_Curve = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3)


@final
class HalfMoons(Study):
    """Two half-moons in the plane, the convection–diffusion objective over a grid of λ and σ²."""

    name: ClassVar[str] = "half-moons"
    title: ClassVar[str] = "Half-moons: robust accuracy over λ × σ²"
    question: ClassVar[str] = (
        "Does the convection–diffusion objective make networks robust, what does it cost, and is it the "
        "diffusion that does it?"
    )
    method: ClassVar[tuple[str, ...]] = (
        (
            "L = L1 + λ·L2: cross-entropy at both times, and the residual of u_t = σ²Δu (arXiv 2307.12333), "
            "on a time-conditioned residual network, 400 training points of two half-moons with noise 0.1. "
            "Two classifiers come of it and are kept apart: the network in one pass, g(·, 1), and the "
            "equation's own u(x, T) = E g(x + sξ, 0), s = √(2σ²). Every repeat has its own data, weights "
            "and batches; all trainings of a repeat share them. Optimiser and learning rate are the "
            "library's defaults and were not tuned."
        ),
        (
            "Robust: no attack finds an error within the ℓ2 radius. The input is a plane, so one attack is "
            "exhaustive: the classifier is evaluated on a grid, u by quadrature in place of sampling, and "
            "the way to the nearest error is then halved. The others follow gradients: projected gradient "
            "descent with restarts on the exact margin of the one-pass network; for u, through the "
            "expectation over fresh noise, judged by u itself."
        ),
        (
            "What is chosen is chosen on validation inputs, for each repeat on its own; test inputs have no "
            "part in it. Intervals are over repeats, which differ in data and weights; each claim has "
            "its own, at 95 %."
        ),
    )
    duration: ClassVar[str] = "full: within 5 minutes on one core; --quick: under a minute"
    parts: ClassVar[tuple[Part, ...]] = (grid, comparison, honesty, stability)

    repeats: int = Field(5, ge=2, le=100)
    weights: tuple[_Positive, ...] = Field((0.3, 1.0, 3.0, 10.0, 30.0, 100.0), min_length=2)
    """λ, ascending; 0 is added."""
    diffusivities: tuple[_Positive, ...] = Field((0.005, 0.01, 0.02, 0.05, 0.1), min_length=2)
    """σ², ascending; 0 is added."""
    radius: float = Field(0.25, gt=0, le=1)
    """ℓ2 radius of the attack: half the distance between the moons without noise."""

    train_count: int = Field(400, ge=10, le=1500)
    budget: int = Field(200, ge=4)
    """Evaluations an input that every training may spend."""
    longer: int = Field(4, ge=2, le=100)
    """Times the budget; at 4, as many steps as natural training takes."""
    batch_size: int = Field(100, ge=1)
    width: int = Field(32, ge=1)
    depth: int = Field(2, ge=1)
    grid_step: float = Field(0.02, gt=0, le=0.1)
    """Side of a square of the grid that is searched."""

    stability_weights: tuple[_Positive, ...] = Field((1.0, 5.0, 30.0), min_length=1)
    stability_shares: tuple[_Positive, ...] = Field((2.0, 1.0, 0.3, 0.1, 0.01), min_length=2)
    """h over the stability bound; 1 must be among them."""
    stability_time_step: float = Field(0.125, gt=0, lt=1)
    """The finer τ, tried with the first of the weights."""
    stability_repeats: int = Field(3, ge=1, le=100)
    stability_epochs: int = Field(50, ge=1)

    @property
    def radii(self) -> tuple[float, ...]:
        """The radii of the curves."""
        return _Curve

    @property
    def reach(self) -> float:
        """How far round the inputs errors are looked for."""
        return max(*self.radii, self.radius) + self.grid_step

    @property
    def longer_weights(self) -> tuple[float, ...]:
        """Every other λ, the largest among them: trained once more with the longer budget."""
        return self.weights[::-1][::2][::-1]

    @property
    def middle(self) -> float:
        """The diffusivity of single runs: the middle of the grid."""
        return self.diffusivities[len(self.diffusivities) // 2]

    @classmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return a coarser grid, fewer repeats and fewer space steps."""
        return cls(
            seed=seed,
            repeats=3,
            weights=(0.3, 10.0),
            diffusivities=(0.01, 0.05),
            stability_weights=(1.0, 30.0),
            stability_shares=(1.0, 0.01),
            stability_time_step=0.25,
            stability_repeats=1,
            stability_epochs=30,
        )
