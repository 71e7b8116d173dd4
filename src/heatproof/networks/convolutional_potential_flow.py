"""The potential flow of images, W a convolution: a block that moves no two images apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from heatproof._check import check_choice, check_whole, message
from heatproof.errors import InputError
from heatproof.lipschitz import convolution_gram_bound
from heatproof.networks._flow_layer import FlowLayer

__all__ = ["PADDINGS", "ConvolutionalPotentialFlow"]

PADDINGS = ("zeros", "circular")


@final
class ConvolutionalPotentialFlow(FlowLayer):
    """x ↦ x − (2/c²)·Wᵀρ(Wx + b), (B, C, H, W) to the same, 1-Lipschitz in ℓ2 by construction.

    W is a convolution from C to `width` channels (C if left out) with odd `kernel_size` k that keeps the size
    of the image, (k − 1)/2 pixels of `padding` ("zeros" or "circular") on each edge; Wᵀ is its adjoint, with
    that padding. ρ is ReLU or tanh. c bounds the norm of W on images of this size
    (`heatproof.lipschitz.convolution_gram_bound`: Gram iteration at every frequency of a torus, with its
    rounding). Source: Meunier et al. 2022, who estimate ‖W‖ by power iteration, from below.

    The kernel starts with an orthogonal matrix in its centre and zeros around it, b at zero: with ReLU and
    width ≥ C the block starts as an isometry, up to the 1 % that c exceeds ‖W‖.

    Args:
        event_shape: (C, H, W) of the images; other sizes are refused, as c was not computed for them.
        width, kernel_size, padding, activation: see above.

    Cost: two convolutions; in training also one bound. Errors: `InputError` for sizes that are no whole
    numbers ≥ 1, an even kernel or one above 15, circular padding of more pixels than there are, an unknown
    padding or activation; at the call, for images of another size.
    """

    def __init__(
        self,
        event_shape: Sequence[int],
        width: int | None = None,
        *,
        kernel_size: int = 3,
        padding: str = "zeros",
        activation: str = "relu",
    ) -> None:
        super().__init__(activation)
        self.event_shape = _checked_shape(event_shape)
        self.padding = check_choice("padding", padding, PADDINGS)
        size = _checked_size(kernel_size, self.event_shape, self.padding)
        channels = self.event_shape[0]
        rows = channels if width is None else check_whole("width", width)
        self.weight = nn.Parameter(torch.zeros(rows, channels, size, size))
        self.bias = nn.Parameter(torch.zeros(rows))
        with torch.no_grad():
            self.weight[:, :, size // 2, size // 2] = nn.init.orthogonal_(torch.empty(rows, channels))

    def extra_repr(self) -> str:
        """Return the sizes for `print(model)`."""
        rows, _, size, _ = self.weight.shape
        return f"event_shape={self.event_shape}, width={rows}, kernel_size={size}, padding={self.padding}"

    def _apply_weight(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != self.event_shape:
            got, allowed = f"shape {tuple(x.shape)}", f"(batch, {', '.join(map(str, self.event_shape))})"
            raise InputError(message("x", got, allowed, "Its step is proved for this size."), name="x")
        reach = self.weight.shape[-1] // 2
        if self.padding == "zeros":
            return functional.conv2d(x, self.weight, self.bias, padding=reach)
        wide = functional.pad(x, (reach,) * 4, mode="circular")
        return functional.conv2d(wide, self.weight, self.bias)

    def _apply_adjoint(self, z: Tensor) -> Tensor:
        reach = self.weight.shape[-1] // 2
        if self.padding == "zeros":
            return functional.conv_transpose2d(z, self.weight, padding=reach)
        wide = functional.pad(z, (reach,) * 4, mode="circular")
        return functional.conv2d(wide, self.weight.flip(2, 3).transpose(0, 1))

    def _norm_bound(self) -> Tensor:
        return convolution_gram_bound(self.weight, self.event_shape[1:], self.padding)

    def _fits(self, event_shape: tuple[int, ...]) -> bool:
        return tuple(event_shape) == self.event_shape


def _checked_shape(event_shape: object) -> tuple[int, int, int]:
    sizes = tuple(event_shape) if isinstance(event_shape, Sequence) else ()
    if len(sizes) != 3:
        got = repr(event_shape)
        raise InputError(
            message("event_shape", got, "(channels, height, width) of one image"), name="event_shape"
        )
    channels, height, width = (check_whole("event_shape", size) for size in sizes)
    return channels, height, width


def _checked_size(kernel_size: object, event: tuple[int, ...], padding: str) -> int:
    size = check_whole("kernel_size", kernel_size)
    if size % 2 == 0 or size > 15:
        raise InputError(message("kernel_size", size, "an odd number up to 15"), name="kernel_size")
    if padding == "circular" and size // 2 > min(event[1:]):
        allowed = f"at most {2 * min(event[1:]) + 1} for circular padding of images {event}"
        raise InputError(message("kernel_size", size, allowed), name="kernel_size")
    return size
