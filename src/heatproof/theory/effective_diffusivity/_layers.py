"""Which modules of a network are its noisy layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

from heatproof._check import message, nearest
from heatproof.errors import InputError, UnknownNameError
from heatproof.networks import NoiseLayer
from heatproof.theory.effective_diffusivity._calls import calls_of
from heatproof.theory.effective_diffusivity._sources import has_noise, makes_noise

__all__ = ["named_layers", "noisy_layers"]

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def noisy_layers(model: nn.Module, x: Tensor) -> tuple[list[str], list[str]]:
    """Return the names of the layers that are measured by default, and of noise that cannot be, with reasons.

    A module is one layer if it makes noise itself, or if it has noise inside and keeps the shape of its one
    tensor, as a residual block does. Opened and looked into are the model, containers, stacks (modules that
    hold two such layers or more in a container) and what changes the shape. x is one row, with noise off.
    Errors: `InputError` where there is no noise, or none that can be measured.
    """
    names = [name for name, module in model.named_modules() if has_noise(module)]
    calls = {call.name: call for call in calls_of(model, x, names)}
    kept = (call for call in calls.values() if call.keeps_shape and not call.fault)
    chosen = list(_chosen(model, "", {call.name for call in kept}))
    left_out = [f"{name}, which the model does not call" for name in chosen if name not in calls]
    left_out += [f"{name}, {calls[name].fault}" for name in chosen if name in calls and calls[name].fault]
    measured = [name for name in chosen if name in calls and not calls[name].fault]
    if not measured:
        raise _silent(model, left_out)
    return measured, left_out


def named_layers(model: nn.Module, layers: Sequence[str]) -> list[str]:
    """Return the names given. Errors: `InputError` for none, `UnknownNameError` with the nearest name."""
    known = [name for name, _ in model.named_modules()]
    if isinstance(layers, str) or not isinstance(layers, Sequence) or not layers:
        allowed = "a sequence of names of modules, at least one, or None for all that make noise"
        raise InputError(message("layers", repr(layers), allowed), name="layers")
    for name in layers:
        if name not in known:
            close = nearest(str(name), known)
            advice = f"Did you mean {close!r}?" if close else ""
            text = message("layers", repr(name), "a name of model.named_modules()", advice)
            raise UnknownNameError(text, name="layers", nearest=close)
    return list(dict.fromkeys(layers))


def _silent(model: nn.Module, left_out: Sequence[str]) -> InputError:
    got = f"{type(model).__name__}, in which no layer makes noise"
    if left_out:
        got = f"{type(model).__name__}, whose noise cannot be measured: {'; '.join(left_out)}"
    advice = "Functional dropout, or noise of a class of your own: name the module that holds it, layers=[…]."
    return InputError(message("model", got, "one with dropout or a NoiseLayer", advice), name="model")


def _chosen(module: nn.Module, name: str, blocks: set[str]) -> Iterator[str]:
    if makes_noise(module) or (name in blocks and _is_layer(module, name, blocks)):
        yield name
        return
    for child, inner in module.named_children():
        if has_noise(inner):
            yield from _chosen(inner, f"{name}.{child}" if name else child, blocks)


def _is_layer(module: nn.Module, name: str, blocks: set[str]) -> bool:
    """Return whether a module that keeps the shape is no model, container or stack."""
    if not name or isinstance(module, _CONTAINERS):
        return False
    for child, inner in module.named_children():
        if isinstance(inner, _CONTAINERS):
            layers = [key for key, one in inner.named_children() if not _is_leaf(one)]
            if len(blocks.intersection(f"{name}.{child}.{key}" for key in layers)) >= 2:
                return False
    return True


def _is_leaf(module: nn.Module) -> bool:
    """Return whether the module is a dropout or the like, and no layer with a state of its own."""
    return not isinstance(module, NoiseLayer) and next(module.children(), None) is None
