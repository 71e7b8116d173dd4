"""What is the same for all inputs of one certification, and says which classifier is certified."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from heatproof._check import message
from heatproof._specification import Specification
from heatproof.certification._norms import norm_factor
from heatproof.errors import InputError
from heatproof.noise import AnyNoise

__all__ = ["IDENTITY", "CertificationSettings"]

IDENTITY = ("model_fingerprint", "classifier", "vote", "noise", "unit", "grid_step", "dimension", "precision")
"""Two certificates are of one classifier only if all of these agree."""

_Radius = Annotated[float, Field(ge=0)]


class CertificationSettings(Specification):
    """What is certified, by which procedure, at which level.

    `classifier` is "network" (the network smoothed by noise), "equation" (the heat flow, over the diffusion
    stage, of the network's hard decisions at t = 0: noise on the input of g(·, t=0)) or "interior" (a chain
    of Lipschitz maps with noise between them). `vote` is "hard" (each draw votes for its top class) or "soft"
    (it gives its probabilities). `precision` is that of the network's arithmetic.

    `method`: "fixed" draws `estimation_samples` n; "decision" draws at most so many, until it is decided for
    each of `radii` whether it is certified; "radius" draws at most so many, until the bound is within
    `tolerance` (in the norm's unit) of what all of them would give, or further draws bring less radius than
    `price` times their number. `runner_up`: "complement" bounds the
    runner-up by 1 − p_A, "simultaneous" by its own count, alpha shared (fixed n, hard votes).

    `alpha` is the failure probability of each input's certificate ("per input"), or of all `inputs` together
    ("table": alpha/inputs for each, by the union bound). Radii are given in `norm`.
    """

    noise: AnyNoise
    norm: str = "l2"
    classifier: Literal["network", "equation", "interior"] = "network"
    vote: Literal["hard", "soft"] = "hard"
    method: Literal["fixed", "decision", "radius"] = "fixed"
    runner_up: Literal["complement", "simultaneous"] = "complement"
    alpha: float = Field(0.001, gt=0, lt=1)
    alpha_scope: Literal["per input", "table"] = "per input"
    inputs: int | None = Field(None, ge=1)
    estimation_samples: int = Field(10_000, ge=1)
    selection_samples: int = Field(100, ge=1)
    radii: tuple[_Radius, ...] = ()
    tolerance: float | None = Field(None, gt=0)
    price: float = Field(0.0, ge=0)
    seed: int = Field(0, ge=0)
    grid_step: float | None = Field(None, gt=0)
    unit: float = Field(gt=0)
    dimension: int = Field(ge=1)
    classes: int = Field(ge=2)
    precision: Literal["own", "bfloat16"] = "own"
    model_fingerprint: str = ""

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        norm_factor(self.noise, self.norm, self.dimension)
        rules = (
            (
                "radii",
                bool(self.radii) == (self.method == "decision"),
                "for method 'decision', and only there",
            ),
            ("radii", list(self.radii) == sorted(set(self.radii)), "increasing numbers ≥ 0"),
            ("tolerance", (self.tolerance is not None) == (self.method == "radius"), "for method 'radius'"),
            ("price", self.price == 0 or self.method == "radius", "0, or method 'radius'"),
            ("inputs", (self.inputs is not None) == (self.alpha_scope == "table"), "for alpha_scope 'table'"),
            ("vote", self.vote == "hard" or self.method == "fixed", "'hard', or method 'fixed'"),
            (
                "runner_up",
                self.runner_up == "complement" or self._plain,
                "'complement', or fixed n and hard votes",
            ),
        )
        for name, fits, allowed in rules:
            if not fits:
                raise InputError(message(name, repr(getattr(self, name)), allowed), name=name)
        return self

    @property
    def _plain(self) -> bool:
        return self.method == "fixed" and self.vote == "hard"

    @property
    def level(self) -> float:
        """The failure probability of one input's certificate."""
        return self.alpha / (self.inputs or 1)

    @property
    def factor(self) -> float:
        """The radius in `norm` that a native radius 1 of the noise implies."""
        return norm_factor(self.noise, self.norm, self.dimension)

    def same_classifier(self, other: CertificationSettings) -> bool:
        """Whether two certifications speak of one and the same smoothed classifier."""
        named = all(getattr(self, name) == getattr(other, name) for name in IDENTITY)
        return named and self.model_fingerprint != ""
