"""What diffusion the noise of trained networks is: strength, shape, formulas, small steps."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self, final

from pydantic import Field, model_validator

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.studies._study import Part, Study
from heatproof.studies.diffusivity import halving, trained, wrong_forms

__all__ = ["Diffusivity"]

_Kept = Annotated[float, Field(ge=0.6, lt=1)]
_Blocks = Annotated[int, Field(ge=1, le=1000)]


@final
class Diffusivity(Study):
    """The effective diffusivity of noise in residual networks (arXiv 2307.12333), on handwritten digits."""

    name: ClassVar[str] = "diffusivity"
    title: ClassVar[str] = "Effective diffusivity of a network's noise"
    question: ClassVar[str] = (
        "What diffusion does a network's noise induce, and is it the isotropic one of the theory?"
    )
    method: ClassVar[tuple[str, ...]] = (
        (
            "A noisy residual block is one step Δt of dX = v dr + √(2A) dB: with C the covariance of its "
            "output at a fixed state, A = C/(2Δt). Theorems about robustness and complexity take A = σ²I, "
            "one σ² for all states; known kinds of noise have other C, each by a formula."
        ),
        (
            "A residual network is trained with each kind of noise, on the same data with the same settings. "
            "Then each layer is called many times at the states that test inputs reach without noise; "
            "nothing is chosen on them. Traces and effective ranks are estimated without bias, intervals are "
            "Student's over inputs. Formula and measurement are compared by their traces and by "
            "‖C − C_formula‖², which sees the shape too. Wrong formulas on the same draws must be told from "
            "the truth."
        ),
        (
            "C is of one step at a fixed state: how noise of earlier layers scatters the states of later "
            "ones is not in it. Isotropy at a state is asked for; that σ² is the same at all states, which "
            "the theory also takes for granted, is not judged."
        ),
    )
    duration: ClassVar[str] = "full: within 4 minutes on 2 cores; --quick: under half a minute"
    parts: ClassVar[tuple[Part, ...]] = (trained, wrong_forms, halving)

    inputs: int = Field(100, ge=4, le=300)
    draws: int = Field(160, ge=8)
    trainings: int = Field(3, ge=1, le=20)
    width: int = Field(64, ge=2)
    depth: int = Field(6, ge=2)
    epochs: int = Field(10, ge=1)

    noise_std: float = Field(0.1, gt=0)
    """a of Gaussian injection, in units of the state."""
    noise_share: float = Field(0.2, gt=0)
    """a of multiplicative noise, a share of the state."""
    keep: _Kept = 0.8
    """q of branch dropout and stochastic depth; 1 − p of `nn.Dropout`. Not ½, where q and 1 − q are one."""
    state_keep: _Kept = 0.9

    blocks: tuple[_Blocks, ...] = (4, 8, 16, 32)
    """Numbers of blocks in one unit of time, each twice the one before."""
    path_inputs: int = Field(24, ge=4, le=300)
    path_draws: int = Field(64, ge=4)

    @model_validator(mode="after")
    def _check_blocks(self) -> Self:
        doubled = all(two == 2 * one for one, two in zip(self.blocks, self.blocks[1:], strict=False))
        if len(self.blocks) < 2 or not doubled:
            allowed = "two numbers or more, each twice the one before"
            raise InputError(message("blocks", self.blocks, allowed), name="blocks")
        return self

    @classmethod
    def quick(cls, seed: int = 0) -> Self:
        """Return one training, a smaller network, and fewer inputs, draws and steps."""
        return cls(
            seed=seed,
            inputs=120,
            draws=48,
            trainings=1,
            width=32,
            depth=4,
            epochs=4,
            blocks=(8, 16),
            path_inputs=12,
            path_draws=32,
        )
