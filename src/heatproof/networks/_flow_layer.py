"""What layers x ↦ x − h·Wᵀρ(Wx + b) share: the step h = 2/c², kept in evaluation mode, and the bound 1.

ρ is non-decreasing and 1-Lipschitz and c ≥ ‖W‖₂ (Meunier et al. 2022, A dynamical system perspective for
Lipschitz neural networks). For two points ρ(z) − ρ(z′) = D(z − z′) with a diagonal 0 ≤ D ≤ I, so their
difference is multiplied by I − h·WᵀDW, whose eigenvalues lie in [−1, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_choice, message
from heatproof.errors import LipschitzError
from heatproof.lipschitz import Bound

__all__ = ["FlowLayer"]

_MONOTONE: dict[str, Callable[[Tensor], Tensor]] = {"relu": nn.functional.relu, "tanh": torch.tanh}
"""Functions and no modules: what walks a network and exchanges its activations must not reach them."""


class FlowLayer(nn.Module, ABC):
    """An explicit step of the gradient flow of a convex potential, 1-Lipschitz in ℓ2 by construction.

    Subclasses apply W and its adjoint and say what bounds ‖W‖₂. In training the step has gradients; in
    evaluation mode it is computed once for given weights and has none. Who writes weights through `.data`,
    which PyTorch does not count, calls `eval()` once more.
    """

    weight: nn.Parameter
    bias: nn.Parameter

    def __init__(self, activation: str) -> None:
        super().__init__()
        self._rho = check_choice("activation", activation, _MONOTONE)
        self._kept: tuple[Tensor, int, int, Tensor] | None = None

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return the state after the step."""
        z = _MONOTONE[self._rho](self._apply_weight(x))
        moved: Tensor = x - self._step() * self._apply_adjoint(z)
        return moved

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; what was kept of the weights is forgotten."""
        self._kept = None
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Move or convert the weights; what was kept of them is forgotten."""
        self._kept = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1, and have the step computed anew from the weights as they are.

        Errors: `LipschitzError` for inputs of another size.
        """
        if not self._fits(event_shape):
            allowed = f"inputs of {self.extra_repr()}"
            raise LipschitzError(message("event_shape", event_shape, allowed), name="event_shape")
        self._kept = None
        return Bound(1.0, "potential flow (1)", event_shape)

    @abstractmethod
    def _apply_weight(self, x: Tensor) -> Tensor:
        """Return Wx + b."""

    @abstractmethod
    def _apply_adjoint(self, z: Tensor) -> Tensor:
        """Return Wᵀz."""

    @abstractmethod
    def _norm_bound(self) -> Tensor:
        """Return c ≥ ‖W‖₂, float64, with gradients."""

    @abstractmethod
    def _fits(self, event_shape: tuple[int, ...]) -> bool:
        """Return whether the layer takes inputs of this shape."""

    def _step(self) -> Tensor:
        """Return h; kept in evaluation mode for as long as the weights are the same tensor, unwritten."""
        weight = self.weight
        if self.training or torch.compiler.is_compiling() or weight.is_inference():
            return self._step_now()
        kept, seen = self._kept, (weight._version, weight.data_ptr())  # noqa: SLF001 - counts the writes
        if kept is None or kept[0] is not weight or kept[1:3] != seen:
            kept = self._kept = (weight, *seen, self._step_now().detach())
        return kept[3]

    def _step_now(self) -> Tensor:
        """Return 2/c², a little less, so that rounding to the precision of the weights keeps it below."""
        unit = torch.finfo(self.weight.dtype).eps
        shrunk: Tensor = 2.0 * (1 - 4 * unit) / self._norm_bound().clamp_min(1e-12) ** 2
        return shrunk
