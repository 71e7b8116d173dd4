"""`lipschitz_bound`: a proved bound of a whole network, from its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from heatproof._check import check_whole, message
from heatproof.errors import InputError
from heatproof.lipschitz._activations import ACTIVATIONS
from heatproof.lipschitz._bound import Bound, misfit, product, refused, up
from heatproof.lipschitz._convolution import convolution
from heatproof.lipschitz._pooling import POOLINGS
from heatproof.lipschitz._spectral import exact, spectral_bound

__all__ = ["lipschitz_bound", "split_head"]

_ADVICE = (
    "Build it from Linear, Conv, pooling, plain activations, BatchNorm in eval mode, Sequential and the "
    "blocks of heatproof.networks, or give its class a proved method lipschitz_bound(event_shape)."
)
_WHY = {
    "MultiheadAttention": "dot-product attention has no global Lipschitz constant (Kim et al. 2021)",
    "LayerNorm": "layer normalisation divides by a spread that can be small",
    "GroupNorm": "group normalisation divides by a spread that can be small",
    "InstanceNorm": "instance normalisation divides by a spread that can be small",
    "RMSNorm": "it divides by a size that can be small",
    "Lazy": "a lazy module has no weights before its first call",
}


def lipschitz_bound(module: nn.Module, event_shape: Sequence[int]) -> Bound:
    """Return Λ with ‖F(x) − F(y)‖₂ ≤ Λ·‖x − y‖₂ for all x, y of shape `event_shape`, proved.

    Sequential: the product of its parts. Dense layers: the spectral norm from a singular value decomposition
    in float64 whose error is bounded afterwards, never from power iteration, which ends below the truth.
    Convolutions: the largest singular value on a torus (`_convolution`). Pooling: by overlaps. Activations:
    the largest slope. BatchNorm (eval mode): max |γ|/√(var + ε). A class with a method of its own speaks for
    itself, as those of heatproof.networks do: `lipschitz_bound(event_shape) -> Bound`, or
    `lipschitz_parts() -> list of modules` that it is the composition of, in order.

    The bound is of the function in real arithmetic with the weights as they are now, in the mode (training or
    not) that the modules are in now. Cost: one decomposition a dense layer (0.2 s for 512×512), one a
    frequency of a convolution.

    Errors: `InputError` for what is no shape; `LipschitzError` that names the module for which no bound is
    known: attention, layer, group and instance normalisation, BatchNorm and dropout in training mode,
    modules with hooks or of unknown class.
    """
    shape = _checked_shape(event_shape)
    bounds = [Bound(1.0, "identity", shape)]
    for part in _flattened(module):
        bounds.append(_of_part(part, bounds[-1].event_shape))
    return product(bounds[1:] or bounds)


def _checked_shape(event_shape: object) -> tuple[int, ...]:
    """Return the shape as whole numbers ≥ 1."""
    if not isinstance(event_shape, Sequence) or isinstance(event_shape, str | bytes):
        allowed = "the shape of one input, without the batch, such as (3, 32, 32)"
        raise InputError(message("event_shape", repr(event_shape), allowed), name="event_shape")
    return tuple(check_whole("event_shape", size) for size in event_shape)


def split_head(module: nn.Module) -> tuple[list[nn.Module], nn.Linear] | None:
    """Return the modules before a final dense layer, and that layer; None where the module ends otherwise."""
    parts = _flattened(module)
    if not parts or parametrize.type_before_parametrizations(parts[-1]) is not nn.Linear:
        return None
    head: Any = parts[-1]
    _check_untouched(head)
    return parts[:-1], head


def _flattened(module: nn.Module) -> list[nn.Module]:
    """Return the modules that `module` applies one after the other, down to those that are no composition."""
    stated = _stated(module, "lipschitz_parts")
    if stated is None and type(module) is not nn.Sequential:
        return [module]
    _check_untouched(module)
    parts = list(module.children()) if stated is None else stated(module)
    return [inner for part in parts for inner in _flattened(part)]


def _of_part(module: nn.Module, shape: tuple[int, ...]) -> Bound:
    _check_untouched(module)
    stated = _stated(module, "lipschitz_bound")
    if stated is not None:
        bound = stated(module, shape)
        if not isinstance(bound, Bound):
            got = f"{type(module).__name__} whose lipschitz_bound gives a {type(bound).__name__}"
            raise refused(got, "Return heatproof.lipschitz.Bound(value, how, event_shape).")
        return bound
    kind = parametrize.type_before_parametrizations(module)
    if kind in ACTIVATIONS:
        slope = ACTIVATIONS[kind](module)
        return Bound(slope, f"{kind.__name__} ({slope:.6g})", shape)
    if kind in POOLINGS:
        return POOLINGS[kind](module, shape)
    if kind in _LAYERS:
        return _LAYERS[kind](module, shape)
    raise _unknown(module, kind)


def _stated(module: nn.Module, name: str) -> Callable[..., Any] | None:
    """Return the method of the module's class, unless a subclass changed `forward` and said nothing of it."""
    for kind in type(module).__mro__:
        if name in vars(kind):
            method: Callable[..., Any] = vars(kind)[name]
            return method
        if {"forward", "__call__"} & set(vars(kind)):
            return None
    return None


def _check_untouched(module: nn.Module) -> None:
    """Refuse what runs code beside `forward`, which no bound here knows of."""
    hooks = [getattr(module, name, None) for name in ("_forward_hooks", "_forward_pre_hooks")]
    if any(hooks) or "forward" in vars(module):
        got = f"{type(module).__name__} with a forward hook or a replaced forward"
        raise refused(got, "Remove it; weight and spectral norm: torch.nn.utils.parametrizations.")


def _unknown(module: nn.Module, kind: type[nn.Module]) -> Exception:
    why = next((text for name, text in _WHY.items() if name in kind.__name__), "")
    got = f"{type(module).__name__}" + (f" ({why})" if why else " (no bound is known)")
    return refused(got, _ADVICE)


def _linear(module: Any, shape: tuple[int, ...]) -> Bound:
    weight = exact(module.weight)
    if not shape or shape[-1] != weight.shape[1]:
        got = f"Linear of {weight.shape[1]} features on inputs of shape {shape}"
        raise refused(got, "Give the shape of one input, without the batch.")
    value = spectral_bound(weight)
    return Bound(value, f"Linear, spectral norm ({value:.6g})", (*shape[:-1], weight.shape[0]))


def _flatten(module: Any, shape: tuple[int, ...]) -> Bound:
    if module.start_dim < 1:
        raise refused("Flatten of the batch", "Use start_dim ≥ 1.")
    return Bound(1.0, "Flatten (1)", tuple(_like(module, shape)))


def _unflatten(module: Any, shape: tuple[int, ...]) -> Bound:
    if module.dim < 1:
        raise refused("Unflatten of the batch", "Use dim ≥ 1.")
    return Bound(1.0, "Unflatten (1)", tuple(_like(module, shape)))


def _like(module: Any, shape: tuple[int, ...]) -> torch.Size:
    try:
        out: torch.Tensor = module(torch.empty(1, *shape, device="meta"))
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        raise misfit(module, shape, error) from None
    return out.shape[1:]


def _batch_norm(module: Any, shape: tuple[int, ...]) -> Bound:
    name = type(module).__name__
    if module.training or module.running_var is None:
        got = f"{name} that normalises by the statistics of its batch"
        raise refused(got, "Call model.eval() first, with track_running_stats=True.")
    spread = exact(module.running_var) + module.eps
    if not (spread > 0).all():
        raise refused(f"{name} with a variance that is not positive", "Clean the statistics.")
    gain = np.ones(1) if module.weight is None else np.abs(exact(module.weight))
    value = float((gain / np.sqrt(spread)).max()) * (1 + 2.0**-50)
    return Bound(up(value), f"{name} ({value:.6g})", shape)


_LAYERS: dict[type[nn.Module], Callable[..., Bound]] = {
    nn.Linear: _linear,
    nn.Conv1d: convolution,
    nn.Conv2d: convolution,
    nn.Conv3d: convolution,
    nn.Flatten: _flatten,
    nn.Unflatten: _unflatten,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.BatchNorm3d: _batch_norm,
}
