"""Certified radius against the exact radius where it is known, and against attacks where it is not."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self, final

from pydantic import Field

from heatproof.studies._study import Part, Study
from heatproof.studies.radius import controls, drift, half_spaces, regions, trained

__all__ = ["Radius"]

_Positive = Annotated[float, Field(gt=0)]


@final
class Radius(Study):
    """Theorem 3.1 of arXiv 2307.12333 and its relatives, checked where the truth can be computed."""

    name: ClassVar[str] = "radius"
    title: ClassVar[str] = "Certified against exact radius"
    question: ClassVar[str] = (
        "Does the certified radius ever exceed the true one, and how much of the true radius does it reach?"
    )
    method: ClassVar[tuple[str, ...]] = (
        (
            "σ² is the diffusivity of u_t = v·∇u + σ²Δu. Without drift, one unit of time smooths with "
            "Gaussian noise of standard deviation s = √2·σ, which is what the package calls noise_std."
        ),
        (
            "Formula (3): R = (σ/√2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)). Linear form: R = σ√π·(p_A − p_B). Formula (4), "
            "with drift: R = (√S/2)(Φ⁻¹(p_A) − Φ⁻¹(p_B)), S = σ²(1 − exp(−2ΛT))/Λ, where Λ bounds how fast "
            "the drift expands."
        ),
        (
            "A claim “radius ≤ truth” is judged from enclosures of radius over truth: it is refuted if one "
            "is above 1 for certain, it holds if none can be. Where radii are sampled, violations are "
            "counted: the claim holds if they are no more than theory allows, and the 95 % interval ends "
            "below 5 % (1 % for half-spaces). The cases and the seed stand under Settings."
        ),
    )
    duration: ClassVar[str] = "full: within 15 minutes on 2 cores; --quick: under a minute"
    parts: ClassVar[tuple[Part, ...]] = (half_spaces, regions, drift, controls, trained)

    sigmas: tuple[_Positive, ...] = (0.1, 0.25, 1.0)
    dimensions: tuple[Annotated[int, Field(ge=1)], ...] = (1, 2, 64, 3072)
    distances: tuple[_Positive, ...] = (0.25, 0.5, 1.0, 2.0)
    certificates: int = Field(50, ge=1)
    """Certificates for each dimension, σ and distance; a tenth of them where d > 1000."""
    alpha: float = Field(0.001, gt=0, lt=1)
    estimation_samples: int = Field(10_000, ge=1)
    selection_samples: int = Field(100, ge=1)

    plane_noise_stds: tuple[_Positive, ...] = (0.3, 0.6, 1.0)
    plane_points: int = Field(100, ge=12)

    rates: tuple[float, ...] = (-2.0, -0.5, 0.0, 0.5, 2.0)
    drift_points: int = Field(20, ge=1)
    grid_cells: int = Field(200, ge=8, multiple_of=4)

    recipes: tuple[str, ...] = ("digits_gaussian", "digits_convection_diffusion")
    training_seeds: int = Field(2, ge=1)
    budget: int = Field(480, ge=1)
    attacked_inputs: int = Field(120, ge=1)
    multiples: tuple[_Positive, ...] = (1.0, 1.2, 1.5, 2.0, 3.0, 5.0)
    """Radii of the attacks, as multiples of the certified radius; the first one searches inside."""
    too_far: float = Field(1.2, gt=1)
    """A multiple of the certified radius that the attack must be able to refute."""
    attack_steps: int = Field(20, ge=1)
    attack_samples: int = Field(32, ge=1)
    judgement_samples: int = Field(2000, ge=100)
    bisections: int = Field(6, ge=0)

    @classmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return fewer certificates from fewer samples."""
        return cls(
            seed=seed,
            sigmas=(0.25, 1.0),
            certificates=40,
            estimation_samples=1000,
            plane_noise_stds=(0.3,),
            plane_points=100,
            drift_points=4,
            grid_cells=100,
            training_seeds=1,
            budget=40,
            attacked_inputs=50,
            multiples=(1.0, 1.5, 3.0),
            too_far=1.5,
            attack_steps=10,
            attack_samples=8,
            judgement_samples=1000,
            bisections=4,
        )

    def repeats(self, dimension: int) -> int:
        """Return how many certificates there are for each σ and distance."""
        return max(1, self.certificates // 10) if dimension > 1000 else self.certificates
