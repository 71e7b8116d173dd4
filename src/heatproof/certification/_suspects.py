"""Which module makes a model random, or couples the rows of a batch: named, so that it can be mended."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

from torch import nn

__all__ = ["batch_module", "random_module"]

_DEPTH = 4
_BATCH = nn.modules.batchnorm._BatchNorm  # noqa: SLF001 - the one base of all batch normalisations
_DROPOUT = nn.modules.dropout._DropoutNd  # noqa: SLF001 - the one base of all dropouts
_RANDOM_WORDS = ("drop", "noise", "stochastic", "random")


def random_module(model: object) -> str:
    """Name the first module inside `model` that draws numbers as it is now; "" where none is known to."""
    return _first(model, _draws, "in training mode")


def batch_module(model: object) -> str:
    """Name the first normalisation inside `model` that uses statistics of the batch; "" where none does."""
    training = _first(model, _in_training, "in training mode")
    return training or _first(model, _without_statistics, "without running statistics")


def _draws(module: nn.Module) -> bool:
    if not module.training:
        return False
    if isinstance(module, _DROPOUT):
        return module.p > 0
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention):
        return module.dropout > 0
    named = any(word in type(module).__name__.lower() for word in _RANDOM_WORDS)
    return isinstance(module, nn.RReLU) or named


def _in_training(module: nn.Module) -> bool:
    return isinstance(module, _BATCH) and module.training


def _without_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BATCH) and module.running_mean is None


def _first(model: object, suspect: Callable[[nn.Module], bool], how: str) -> str:
    for network in _networks(model, _DEPTH):
        for path, module in network.named_modules():
            if suspect(module):
                place = f" at {path!r}" if path else ""
                return f"{type(module).__name__}{place} ({how})"
    return ""


def _networks(model: object, depth: int) -> Iterator[nn.Module]:
    """Yield the modules that a callable is, holds or closes over, to a small depth."""
    if isinstance(model, nn.Module):
        yield model
    if depth > 0:
        for part in _parts(model):
            yield from _networks(part, depth - 1)


def _parts(model: object) -> list[Any]:
    """Return what a callable may call: closed-over values, globals it names, `self`, attributes."""
    if isinstance(model, functools.partial):
        return [model.func, *model.args, *model.keywords.values()]
    if isinstance(model, MethodType):
        return [model.__self__]
    if isinstance(model, FunctionType):
        return _outside(model)
    if isinstance(model, list | tuple):
        return list(model)
    if isinstance(model, nn.Module):  # a list of modules is not registered, so eval() does not reach it
        values = (value for module in model.modules() for value in vars(module).values())
        return [value for value in values if isinstance(value, list | tuple | FunctionType)]
    return list(vars(model).values()) if callable(model) and hasattr(model, "__dict__") else []


def _outside(function: FunctionType) -> list[Any]:
    try:
        outside = inspect.getclosurevars(function)
    except ValueError:  # a variable that has no value yet
        return []
    return [*outside.nonlocals.values(), *outside.globals.values()]
