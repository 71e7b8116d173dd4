"""What training borrows and gives back as it was: accelerate's process-wide state, and the user's module."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import nn

__all__ = ["lent_model", "own_accelerate"]

_PREPARED = ("forward", "_original_forward", "_is_accelerate_prepared")
"""What accelerate writes into a module: autocast around its forward, and a mark not to do it again."""


@contextmanager
def own_accelerate() -> Iterator[None]:
    """Begin with no state of accelerate, and put back what there was.

    The state is one per process: without this the device and precision of the first training would rule all
    later ones, and an `Accelerator` of the user's would be changed under her.
    """
    shared = [kind._shared_state for kind in (PartialState, AcceleratorState, GradientState)]  # noqa: SLF001 - no public way
    before = [dict(state) for state in shared]
    for state in shared:
        state.clear()
    try:
        yield
    finally:
        for state, values in zip(shared, before, strict=True):
            state.clear()
            state.update(values)


@contextmanager
def lent_model(model: nn.Module) -> Iterator[None]:
    """Afterwards, whatever happened, `model` computes as it did before, and is in evaluation mode."""
    before = {name: vars(model)[name] for name in _PREPARED if name in vars(model)}
    vars(model).pop("_is_accelerate_prepared", None)
    try:
        yield
    finally:
        for name in _PREPARED:
            vars(model).pop(name, None)
        vars(model).update(before)
        model.eval()
