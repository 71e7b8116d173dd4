"""How large the function classes are: bounds, exact values and random labels, with and without diffusion."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self, final

from pydantic import Field

from heatproof.studies._study import Part, Study
from heatproof.studies.complexity import base, counter_example, flows, heads, labels

__all__ = ["Complexity"]

_Positive = Annotated[float, Field(gt=0)]
_Count = Annotated[int, Field(ge=2, le=1000)]


@final
class Complexity(Study):
    """Theorem 3.4 of arXiv 2307.12333 and what surrounds it, on handwritten digits."""

    name: ClassVar[str] = "complexity"
    title: ClassVar[str] = "Rademacher complexity, with and without diffusion"
    question: ClassVar[str] = (
        "Do the bounds of the complexity hold, how close are they, and does diffusion make networks fit less?"
    )
    method: ClassVar[tuple[str, ...]] = (
        (
            "R(G) = E sup over g in G of (1/N)·Σ ε_i g(x_i), with random signs ε, on N digits. Base class: "
            "x ↦ ρ(w·x), ‖w‖₁ ≤ b_w, ‖x‖_∞ ≤ b_x, ρ 1-Lipschitz, |ρ| ≤ b. Evolved class: x ↦ E ρ(w·X_T), X_T "
            "the end of the path from x under a fixed velocity and diffusion."
        ),
        (
            "Every row says what it is. Bound: R(G) is no larger. Exact: R(G) itself, a mean over signs, "
            "with the interval of that mean. Estimate: from below, by members of the class that were "
            "searched for; its lower end is a 95 % limit (McDiarmid), and nothing is known from above. Rows "
            "are compared only within one class on one sample."
        ),
        (
            "Random labels: a network is trained on coin flips. How well it fits them, (1/N)·Σ ε_i g(x_i), "
            "with g = p₁ − p₀ in (−1, 1), bounds the complexity of all that training can reach from below. "
            "With and without diffusion: same architecture, initial weights, labels, and either the same "
            "number of evaluations an input or, where it says so, as many epochs."
        ),
    )
    duration: ClassVar[str] = "full: within 5 minutes on 2 cores; --quick: under half a minute"
    parts: ClassVar[tuple[Part, ...]] = (base, flows, counter_example, heads, labels)

    counts: tuple[_Count, ...] = (50, 200, 800)
    weight_bound: float = Field(1.0, gt=0)
    clipped_weight_bound: float = Field(4.0, gt=0)
    sign_draws: int = Field(4000, ge=10)
    path_draws: int = Field(256, ge=2)

    noise_std: float = Field(0.25, gt=0)
    rates: tuple[float, ...] = (-1.0, 0.0, 2.0)

    label_counts: tuple[_Count, ...] = (50, 200, 500)
    label_draws: int = Field(6, ge=2)
    width: int = Field(64, ge=1)
    depth: int = Field(2, ge=1)
    weight: float = Field(30.0, ge=0)
    """λ of the convection–diffusion objective, that of the demo's recipe."""
    budget: int = Field(200, ge=4)
    """Evaluations an input that every training may spend."""

    @classmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return fewer inputs, draws and trainings."""
        return cls(
            seed=seed,
            counts=(50, 200),
            sign_draws=1000,
            path_draws=32,
            label_counts=(50,),
            label_draws=4,
            budget=80,
        )
