"""What training borrows and gives back as it was: accelerate's process-wide state, and the user's module."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import nn

__all__ = ["lent_model", "own_accelerate"]

_PREPARED = ("forward", "_original_forward", "_is_accelerate_prepared", "_is_torch_compile")
"""What accelerate and torch.compile write into a module: autocast around its forward, and marks."""


@contextmanager
def own_accelerate() -> Iterator[None]:
    """Begin with no state of accelerate, and put back what there was.

    The state is one per process: without this the device and precision of the first training would rule all
    later ones, and an `Accelerator` of the user's would be changed under her. A process group that accelerate
    makes for several processes stays for the next training, and is taken down when the process ends: PyTorch
    may abort a process that ends with one.
    """
    grouped = _grouped()
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
        if _grouped() and not grouped:
            atexit.register(_take_down)


def _grouped() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _take_down() -> None:
    if _grouped():
        torch.distributed.destroy_process_group()


@contextmanager
def lent_model(model: nn.Module) -> Iterator[None]:
    """Afterwards, whatever happened, `model` computes as it did before, and is in evaluation mode.

    Weights that channels-last training has laid out anew are laid out as before.
    """
    plain = [weight for weight in model.parameters() if weight.is_contiguous()]
    before = {name: vars(model)[name] for name in _PREPARED if name in vars(model)}
    vars(model).pop("_is_accelerate_prepared", None)
    try:
        yield
    finally:
        for name in _PREPARED:
            vars(model).pop(name, None)
        vars(model).update(before)
        for weight in plain:
            weight.data = weight.data.contiguous()
        model.eval()
