"""Convolutions: the largest singular value over the frequencies of a torus that is large enough.

A zero-padded convolution reads n pixels and the padding. On a torus of N ≥ n + max(left, right) pixels with
zeros on the new ones, the windows that it uses read the same values (left and right padding fall on the same
zeros); so it is the circular convolution between an isometric embedding and a choice of rows, and
‖conv‖ ≤ ‖circular‖_N, which the Fourier transform makes block-diagonal: max over the N frequencies of
‖Σ_t W_t e^{−iωt}‖₂ (Sedghi, Gupta & Long 2019). Circular padding is the torus of n pixels itself (exact
where the output has as many pixels as the input and the stride is 1).

A stride s is folded: every s-th window of x is every window of the image whose channels are the s^d phases
of x, an isometry; a dilated kernel is the kernel with zeros between its taps. Other paddings repeat pixels:
a factor √(largest number of copies of one pixel).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from heatproof.lipschitz._bound import Bound, refused, up
from heatproof.lipschitz._spectral import dot_error, exact, spectral_bound

__all__ = ["Convolution", "convolution"]

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d

_CHUNK = 1 << 21
"""Complex numbers in memory at once."""
_PHASE_ERROR = 128 * 2.0**-53
"""More than the error of a computed e^{−iωt}: an angle below 6π, a cosine and a sine."""


@dataclass(frozen=True)
class _Axis:
    """One axis: pixels, kernel taps, dilation, stride, padding on either side."""

    pixels: int
    taps: int
    dilation: int
    stride: int
    left: int
    right: int

    @property
    def reach(self) -> int:
        return self.dilation * (self.taps - 1)

    @property
    def windows(self) -> int:
        """How many windows there are before the stride leaves some out."""
        return self.pixels + self.left + self.right - self.reach

    @property
    def outputs(self) -> int:
        return (self.windows - 1) // self.stride + 1


def convolution(module: Convolution, event_shape: tuple[int, ...]) -> Bound:
    """Return a bound for a convolution of images (C, *pixels); the bias plays no part."""
    axes = _axes(module, event_shape)
    torus, strides, copies = _geometry(axes, module.padding_mode)
    folded = _folded(_dilated(exact(module.weight), axes), strides)
    value = up(_torus_bound(folded, torus, module.groups) * math.sqrt(copies) * (1 + 2.0**-50))
    out = (module.out_channels, *(axis.outputs for axis in axes))
    return Bound(
        value, f"{type(module).__name__} on the torus {'×'.join(map(str, torus))} ({value:.6g})", out
    )


def _axes(module: Convolution, event_shape: tuple[int, ...]) -> list[_Axis]:
    dimensions = module.weight.ndim - 2
    if len(event_shape) != dimensions + 1 or event_shape[0] != module.in_channels:
        got = f"{type(module).__name__} of {module.in_channels} channels on inputs of shape {event_shape}"
        raise refused(got, "Give the shape of one input, without the batch.")
    settings = zip(
        event_shape[1:], module.kernel_size, module.dilation, module.stride, _padding(module), strict=True
    )
    axes = [_Axis(n, k, d, s, *sides) for n, k, d, s, sides in settings]
    if min(axis.windows for axis in axes) < 1:
        raise refused(f"{type(module).__name__} on inputs of shape {event_shape}", "The image is too small.")
    return axes


def _padding(module: Convolution) -> list[tuple[int, int]]:
    if module.padding == "valid":
        return [(0, 0)] * len(module.kernel_size)
    if module.padding == "same":
        reach = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        return [(total // 2, total - total // 2) for total in reach]
    return [(int(side), int(side)) for side in module.padding]


def _geometry(axes: list[_Axis], mode: str) -> tuple[list[int], list[int], int]:
    """Return the (folded) torus, the strides that are folded, and how often padding copies a pixel or row."""
    found = [_axis_geometry(axis, mode) for axis in axes]
    return [one[0] for one in found], [one[1] for one in found], math.prod(one[2] for one in found)


def _axis_geometry(axis: _Axis, mode: str) -> tuple[int, int, int]:
    if mode == "zeros":
        return -(-(axis.pixels + max(axis.left, axis.right)) // axis.stride), axis.stride, 1
    if mode == "circular":
        stride = axis.stride if axis.pixels % axis.stride == 0 else 1
        return axis.pixels // stride, stride, -(-axis.windows // axis.pixels)
    places = torch.arange(axis.pixels, dtype=torch.float64).view(1, 1, -1)
    padded = nn.functional.pad(places, (axis.left, axis.right), mode=mode).long().flatten()
    whole = axis.pixels + axis.left + axis.right
    return -(-whole // axis.stride), axis.stride, int(padded.bincount().max())


def _dilated(weight: np.ndarray, axes: list[_Axis]) -> np.ndarray:
    """Return the kernel with zeros between its taps."""
    wide = np.zeros((*weight.shape[:2], *(axis.reach + 1 for axis in axes)))
    wide[(slice(None), slice(None), *(slice(None, None, axis.dilation) for axis in axes))] = weight
    return wide


def _folded(weight: np.ndarray, strides: list[int]) -> np.ndarray:
    """Return the kernel (out, in·s^d, ⌈k/s⌉…) that acts on the phases of the image."""
    sizes = weight.shape[2:]
    short = [(-size) % stride for size, stride in zip(sizes, strides, strict=True)]
    padded = np.pad(weight, [(0, 0), (0, 0), *((0, missing) for missing in short)])
    split = itertools.chain(
        *(
            ((size + missing) // stride, stride)
            for size, missing, stride in zip(sizes, short, strides, strict=True)
        )
    )
    parts = padded.reshape(*weight.shape[:2], *split)
    places, phases = range(2, parts.ndim, 2), range(3, parts.ndim, 2)
    moved = parts.transpose(0, 1, *phases, *places)
    return moved.reshape(weight.shape[0], -1, *moved.shape[2 + len(strides) :])


def _torus_bound(weight: np.ndarray, torus: list[int], groups: int) -> float:
    """Return the bound of the circular convolution with kernel (out, in/groups, *taps) on the torus."""
    flat = weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)
    fractions = _fractions(weight.shape[2:], torus)
    size = np.sqrt((np.abs(flat).sum(axis=-1) ** 2).sum(axis=(1, 2))).max() * (1 + dot_error(flat.size))
    error = float(size) * (_PHASE_ERROR + dot_error(flat.shape[-1]))
    rows = max(1, _CHUNK // (flat.shape[0] * flat.shape[1] * flat.shape[2]))
    bound = 0.0
    for start in range(0, len(fractions), rows):
        phases = np.exp(-2j * np.pi * fractions[start : start + rows])
        bound = max(bound, spectral_bound(np.einsum("goit,ft->fgoi", flat, phases, optimize=True), error))
    return bound


def _fractions(taps: tuple[int, ...], torus: list[int]) -> np.ndarray:
    """Return Σ_axes (f·t mod N)/N, (frequencies, taps); real kernels need half of the last axis only."""
    total = np.zeros((1, 1))
    for axis, (count, size) in enumerate(zip(taps, torus, strict=True)):
        used = size // 2 + 1 if axis == len(torus) - 1 else size
        part = (np.outer(np.arange(used), np.arange(count)) % size) / size
        total = total[:, None, :, None] + part[None, :, None, :]
        total = total.reshape(total.shape[0] * total.shape[1], -1)
    return total
