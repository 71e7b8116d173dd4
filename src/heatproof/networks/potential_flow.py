"""A dense block that moves no two points apart: one explicit step of the gradient flow of a convex potential.

x ↦ x − h·Wᵀρ(Wx + b), h = 2/c² with c ≥ ‖W‖₂, ρ non-decreasing and 1-Lipschitz (Meunier et al. 2022, A
dynamical system perspective for Lipschitz neural networks). For two points ρ(z) − ρ(z′) = D(z − z′) with a
diagonal 0 ≤ D ≤ I, so their difference is multiplied by I − h·WᵀDW, whose eigenvalues lie in [−1, 1].
"""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_choice, check_whole, message
from heatproof.errors import LipschitzError
from heatproof.lipschitz import Bound, gram_bound

__all__ = ["PotentialFlow"]

_MONOTONE: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


@final
class PotentialFlow(nn.Module):
    """x ↦ x − (2/c²)·Wᵀρ(Wx + b), (B, features) to (B, features), 1-Lipschitz in ℓ2 by construction.

    W is (width, features), `width` is `features` if left out; ρ is ReLU or tanh. c is Gram iteration's bound
    of ‖W‖₂ with its rounding (`heatproof.lipschitz.gram_bound`), never power iteration, which would end
    below ‖W‖₂; it has gradients in training. In evaluation mode it is computed once for given weights and
    has none. Where we differ from the source: c is a proved bound, at most 1 % above ‖W‖₂.

    W starts orthogonal, b at zero: with ReLU and as many rows as columns the block starts as an isometry.
    Cost: two dense products; in training also Gram iteration in float64 (8 products of matrices of the
    smaller size). Errors: `InputError` for sizes that are not whole numbers ≥ 1, or an unknown activation.
    """

    def __init__(self, features: int, width: int | None = None, activation: str = "relu") -> None:
        super().__init__()
        rows = features if width is None else check_whole("width", width)
        self.weight = nn.Parameter(torch.empty(rows, check_whole("features", features)))
        self.bias = nn.Parameter(torch.zeros(rows))
        self.activation = _MONOTONE[check_choice("activation", activation, _MONOTONE)]()
        self._kept: tuple[Tensor, int, int, Tensor] | None = None
        nn.init.orthogonal_(self.weight)

    def forward(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """Return the state after the step."""
        z = self.activation(nn.functional.linear(x, self.weight, self.bias))
        moved: Tensor = x - self._step().to(x.dtype) * nn.functional.linear(z, self.weight.T)
        return moved

    def train(self, mode: bool = True) -> PotentialFlow:
        """Switch between training and evaluation; what was kept of the weights is forgotten."""
        self._kept = None
        return super().train(mode)

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1, and have the step computed anew from the weights as they are.

        Errors: `LipschitzError` for inputs of another size.
        """
        features = self.weight.shape[1]
        if event_shape[-1:] != (features,):
            allowed = f"inputs whose last size is {features}"
            raise LipschitzError(message("event_shape", event_shape, allowed), name="event_shape")
        self._kept = None
        return Bound(1.0, "potential flow (1)", event_shape)

    def extra_repr(self) -> str:
        """Return the sizes for `print(model)`."""
        return f"features={self.weight.shape[1]}, width={self.weight.shape[0]}"

    def _step(self) -> Tensor:
        """Return h; kept in evaluation mode for as long as the weights are the same tensor, unwritten."""
        weight = self.weight
        if self.training or torch.compiler.is_compiling() or weight.is_inference():
            return _step_of(weight)
        kept, seen = self._kept, (weight._version, weight.data_ptr())  # noqa: SLF001 - counts the writes
        if kept is None or kept[0] is not weight or kept[1:3] != seen:
            kept = self._kept = (weight, *seen, _step_of(weight).detach())
        return kept[3]


def _step_of(weight: Tensor) -> Tensor:
    """Return 2/c², a little less, so that rounding to the precision of the weights keeps it below."""
    shrunk: Tensor = 2.0 * (1 - 4 * torch.finfo(weight.dtype).eps) / gram_bound(weight).clamp_min(1e-12) ** 2
    return shrunk
