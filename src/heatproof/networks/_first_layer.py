"""The first dense or convolutional layer of a module that sees its input, found by a trial pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["first_layer", "time_layer"]

_CONVOLUTIONS: tuple[type[Any], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_KINDS: tuple[type[Any], ...] = (nn.Linear, *_CONVOLUTIONS)
_ADVICE = "how='shift' takes any module; TimeConditioned takes one with one more input."


def first_layer(module: nn.Module, event_shape: Sequence[int]) -> tuple[str, nn.Module]:
    """Return name and layer; the module is run in evaluation mode, and left in its own.

    Errors: `InputError` for a module that cannot take such inputs, and where there is no such layer.
    """
    flags = {one: one.training for one in module.modules()}
    try:
        module.eval()
        calls = [_calls(module, event_shape, seed) for seed in (0, 1)]
    finally:
        for one, flag in flags.items():
            one.training = flag
    for (name, seen), (_, other) in zip(*calls, strict=False):
        if seen.shape == other.shape and not torch.equal(seen, other):
            return name, _checked(name, module, [called for called, _ in calls[0]], seen)
    kinds = sorted({type(one).__name__ for one in module.modules() if not list(one.children())})
    got = f"a {type(module).__name__} in which no such layer sees x (it is made of {', '.join(kinds)})"
    raise _refused(got)


def time_layer(layer: Any) -> nn.Module:
    """Return what one more input of `layer`, the constant t, adds to its output: zero weights, no bias."""
    like = {"device": layer.weight.device, "dtype": layer.weight.dtype}
    if isinstance(layer, nn.Linear):
        made: Any = nn.Linear(1, layer.out_features, bias=False, **like)
    else:
        kind = next(one for one in _CONVOLUTIONS if isinstance(layer, one))
        made = kind(
            1,
            layer.out_channels,
            layer.kernel_size,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            bias=False,
            padding_mode=layer.padding_mode,
            **like,
        )
    nn.init.zeros_(made.weight)
    checked: nn.Module = made
    return checked


def _calls(module: nn.Module, event_shape: Sequence[int], seed: int) -> list[tuple[str, Tensor]]:
    """Return names and inputs of the layers that two random rows pass, in order."""
    found: list[tuple[str, Tensor]] = []

    def note(name: str) -> Any:
        return lambda _, given: found.append((name, given[0].detach().clone()))

    first = next((one for one in module.parameters() if one.is_floating_point()), torch.zeros(()))
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand(2, *event_shape, generator=draw).to(first)
    layers = [(name, one) for name, one in module.named_modules() if isinstance(one, _KINDS)]
    handles = [layer.register_forward_pre_hook(note(name)) for name, layer in layers]
    try:
        with torch.no_grad():
            module(x)
    except Exception as error:
        said = f"one that fails on inputs of shape {tuple(x.shape)} ({type(error).__name__}: {_line(error)})"
        raise InputError(message("module", said, "a module of such inputs"), name="module") from error
    finally:
        for handle in handles:
            handle.remove()
    return found


def _checked(name: str, module: nn.Module, called: list[str], seen: Tensor) -> nn.Module:
    """Return the layer if time can enter there: called once a pass, a row for a row."""
    layer = module.get_submodule(name)
    kind = f"{name!r}, a {type(layer).__name__}"
    if called.count(name) > 1:
        raise _refused(f"{kind} that is called {called.count(name)} times a pass")
    whole = seen.ndim >= 2 if isinstance(layer, nn.Linear) else seen.ndim == layer.weight.ndim
    if not whole or len(seen) != 2:
        raise _refused(f"{kind} that sees 2 inputs as {tuple(seen.shape)}")
    return layer


def _refused(got: str) -> InputError:
    allowed = "a module whose first layer that sees x is a Linear or Conv layer, called once, a row for a row"
    return InputError(message("module", got, allowed, _ADVICE), name="module")


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
