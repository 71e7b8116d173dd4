"""Pooling: how many windows hold a pixel, and how much each makes of it.

A window W with n pixels and divisor D averages within ‖δ_W‖₂·√n/D (Cauchy–Schwarz), a maximum within ‖δ_W‖₂;
summed over all windows the square is at most ‖δ‖²·max_j Σ_{W∋j} n_W/D_W² (or the number of windows that hold
a pixel). Windows of images are products of intervals, so the maximum is a product over the axes. Exact for
windows that do not overlap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from heatproof.lipschitz._bound import Bound, misfit, refused, up

__all__ = ["POOLINGS"]

_Pooling = Callable[[Any, tuple[int, ...]], Bound]


@dataclass(frozen=True)
class _Window:
    """The pixels range(start, stop, step) of one axis that are inside the image, and the divisor."""

    pixels: range
    divisor: int


def _average(module: Any, event_shape: tuple[int, ...], dimensions: int) -> Bound:
    axes = []
    sizes, outputs = _image(module, event_shape, dimensions)
    kernel, stride, padding = (
        _each(getattr(module, n), dimensions) for n in ("kernel_size", "stride", "padding")
    )
    override = getattr(module, "divisor_override", None)
    for n, out, k, s, p in zip(sizes, outputs, kernel, stride, padding, strict=True):
        axes.append([_average_window(n, i * s - p, k, p, module.count_include_pad) for i in range(out)])
    shrink = 1.0
    if override is not None:
        axes = [[_Window(window.pixels, 1) for window in axis] for axis in axes]
        shrink = 1.0 / abs(int(override))
    return _bound(module, _averaged(axes, sizes) * shrink, (event_shape[0], *outputs))


def _average_window(n: int, start: int, taps: int, padding: int, include: object) -> _Window:
    pixels = range(max(start, 0), min(start + taps, n))
    return _Window(pixels, min(start + taps, n + padding) - start if include else len(pixels))


def _adaptive_average(module: Any, event_shape: tuple[int, ...], dimensions: int) -> Bound:
    sizes, outputs = _image(module, event_shape, dimensions)
    axes = [_adaptive(n, out) for n, out in zip(sizes, outputs, strict=True)]
    return _bound(module, _averaged(axes, sizes), (event_shape[0], *outputs))


def _adaptive_maximum(module: Any, event_shape: tuple[int, ...], dimensions: int) -> Bound:
    _check_no_indices(module)
    sizes, outputs = _image(module, event_shape, dimensions)
    axes = [_adaptive(n, out) for n, out in zip(sizes, outputs, strict=True)]
    return _bound(module, _largest(axes, sizes), (event_shape[0], *outputs))


def _maximum(module: Any, event_shape: tuple[int, ...], dimensions: int) -> Bound:
    _check_no_indices(module)
    sizes, outputs = _image(module, event_shape, dimensions)
    names = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = (_each(getattr(module, name), dimensions) for name in names)
    axes = []
    for n, out, k, s, p, d in zip(sizes, outputs, kernel, stride, padding, dilation, strict=True):
        places = [[j for j in range(i * s - p, i * s - p + d * k, d) if 0 <= j < n] for i in range(out)]
        axes.append([_Window(range(held[0], held[-1] + 1, d), 1) for held in places if held])
    return _bound(module, _largest(axes, sizes), (event_shape[0], *outputs))


def _check_no_indices(module: Any) -> None:
    if module.return_indices:
        raise refused(f"{type(module).__name__} that returns indices", "Use return_indices=False.")


def _adaptive(pixels: int, outputs: int) -> list[_Window]:
    """Return PyTorch's windows ⌊i·n/o⌋ … ⌈(i+1)·n/o⌉ − 1."""
    ranges = [range(i * pixels // outputs, -(-(i + 1) * pixels // outputs)) for i in range(outputs)]
    return [_Window(held, len(held)) for held in ranges]


def _averaged(axes: list[list[_Window]], sizes: Sequence[int]) -> float:
    return _most(axes, sizes, lambda window: len(window.pixels) / window.divisor**2)


def _largest(axes: list[list[_Window]], sizes: Sequence[int]) -> float:
    return _most(axes, sizes, lambda _: 1.0)


def _most(axes: list[list[_Window]], sizes: Sequence[int], weight: Callable[[_Window], float]) -> float:
    """Return √Π_axes max_j Σ_{W∋j} weight(W), rounded upwards."""
    total = 1.0
    for windows, pixels in zip(axes, sizes, strict=True):
        held = [0.0] * pixels
        for window in windows:
            for j in window.pixels:
                held[j] += weight(window)
        total *= max(held) * (1 + 2.0**-53 * (4 + len(windows)))
    return up(math.sqrt(total) * (1 + 2.0**-50))


def _image(
    module: Any, event_shape: tuple[int, ...], dimensions: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the pixels per axis before and after, the latter from the layer itself, which has no weights."""
    if len(event_shape) != dimensions + 1:
        got = f"{type(module).__name__} on inputs of shape {event_shape}"
        raise refused(got, "Give the shape (C, *pixels) of one input.")
    try:
        out = module(torch.empty(1, *event_shape, device="meta"))
    except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise misfit(module, event_shape, error) from None
    return event_shape[1:], tuple(out.shape[2:])


def _each(value: int | Sequence[int], dimensions: int) -> tuple[int, ...]:
    return (value,) * dimensions if isinstance(value, int) else tuple(int(one) for one in value)


def _bound(module: Any, value: float, event_shape: tuple[int, ...]) -> Bound:
    return Bound(value, f"{type(module).__name__} by its overlaps ({value:.6g})", event_shape)


def _of(pool: Callable[[Any, tuple[int, ...], int], Bound], dimensions: int) -> _Pooling:
    return lambda module, event_shape: pool(module, event_shape, dimensions)


POOLINGS: dict[type[nn.Module], _Pooling] = {
    nn.AvgPool1d: _of(_average, 1),
    nn.AvgPool2d: _of(_average, 2),
    nn.AvgPool3d: _of(_average, 3),
    nn.MaxPool1d: _of(_maximum, 1),
    nn.MaxPool2d: _of(_maximum, 2),
    nn.MaxPool3d: _of(_maximum, 3),
    nn.AdaptiveAvgPool1d: _of(_adaptive_average, 1),
    nn.AdaptiveAvgPool2d: _of(_adaptive_average, 2),
    nn.AdaptiveAvgPool3d: _of(_adaptive_average, 3),
    nn.AdaptiveMaxPool1d: _of(_adaptive_maximum, 1),
    nn.AdaptiveMaxPool2d: _of(_adaptive_maximum, 2),
    nn.AdaptiveMaxPool3d: _of(_adaptive_maximum, 3),
}
"""The bound of each pooling layer, from the module and the shape (C, *pixels) of one input."""
