"""Linear maps that keep all distances: more features or channels, and pixels into channels."""

from __future__ import annotations

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from heatproof.lipschitz import Bound, gram_bound

__all__ = ["BoundedNorm", "SpaceToDepth", "ZeroPad"]


@final
class ZeroPad(nn.Module):
    """x ↦ [x, 0]: zeros for new features (B, d) or channels (B, C, H, W), `size` of them in the end."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Float[Tensor, "batch channels *rest"]) -> Float[Tensor, "batch more *rest"]:
        """Return x with zeros behind it."""
        fresh = self.size - x.shape[1]
        return functional.pad(x, (*(0, 0) * (x.ndim - 2), 0, fresh)) if fresh > 0 else x

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1."""
        shape = (max(self.size, event_shape[0]), *event_shape[1:])
        return Bound(1.0, "zeros for new channels (1)", shape)

    def extra_repr(self) -> str:
        """Return the size for `print(model)`."""
        return f"size={self.size}"


@final
class SpaceToDepth(nn.Module):
    """Each 2×2 square of pixels becomes one pixel of 4C channels; odd sides get a row of zeros first."""

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch more lower narrower"]:
        """Return images of half the size, rounded up."""
        height, width = x.shape[2:]
        even = functional.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x
        return functional.pixel_unshuffle(even, 2)

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return 1."""
        channels, height, width = event_shape
        shape = (4 * channels, (height + 1) // 2, (width + 1) // 2)
        return Bound(1.0, "pixels into channels (1)", shape)


@final
class BoundedNorm(nn.Module):
    """W ↦ gain·W/c, c ≥ ‖W‖₂ by Gram iteration: a parametrisation that makes a dense layer gain-Lipschitz."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, weight: Float[Tensor, "out in"]) -> Float[Tensor, "out in"]:
        """Return the scaled weights; in their precision their norm may exceed `gain` by rounding."""
        return weight * (self.gain / gram_bound(weight).clamp_min(1e-12)).to(weight.dtype)
