"""Functions whose own derivatives PyTorch gets wrong, made of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

__all__ = ["Composed", "composed"]


def composed(func: Any) -> Any:
    """Return the function to differentiate in place of `func`."""
    return _layer_norm if getattr(func, "__name__", "") == "layer_norm" else func


class Composed(TorchFunctionMode):
    """Calls what `composed` returns."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function, or what stands for it."""
        del types
        return composed(func)(*args, **(kwargs or {}))


def _layer_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *_: object,
) -> Tensor:
    """Layer normalisation from sums and products.

    Of PyTorch's own (2.13), nested forward mode and third derivatives are wrong.
    """
    axes = tuple(range(-len(normalized_shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    scaled = centred * (centred.square().mean(axes, keepdim=True) + eps).rsqrt()
    scaled = scaled if weight is None else scaled * weight
    return scaled if bias is None else scaled + bias
