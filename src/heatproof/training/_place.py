"""Where and how training runs: device, precision, memory format, processes, compiler."""

from __future__ import annotations

import inspect
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import nn

from heatproof.training._processes import bad_launch, check_launch
from heatproof.training._settings import TrainingSettings

__all__ = ["accelerator_for", "place_model"]


def accelerator_for(settings: TrainingSettings) -> Accelerator:
    """Return accelerate's view of devices and processes. Errors: `InputError` for a bad launch."""
    try:
        accelerator = Accelerator(
            cpu=settings.device == "cpu",
            mixed_precision="bf16" if settings.precision == "bfloat16" else "no",
        )
    except ValueError as error:  # what accelerate says of variables that do not fit together
        raise bad_launch(str(error)) from error
    check_launch(accelerator)
    return accelerator


def place_model(model: nn.Module, accelerator: Accelerator, settings: TrainingSettings) -> nn.Module:
    """Move the model in place, and return what objectives call.

    In several processes that is accelerate's DistributedDataParallel, which gives all of them the first one's
    weights and averages gradients. It must not send buffers round before each forward pass: an objective may
    make several in a step, and the first would lose what its backward pass needs. accelerate has no hand in
    the optimiser: without loss scaling its wrapper only adds to the time of a step.
    """
    if settings.channels_last:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    called: nn.Module = accelerator.prepare(model)
    if isinstance(called, nn.parallel.DistributedDataParallel):
        called.broadcast_buffers = False
        called.time_conditioned = getattr(model, "time_conditioned", False)  # type: ignore[assignment]
    return _compiled(called) if settings.compile else called


def _compiled(model: nn.Module) -> nn.Module:
    """Compile for itself alone: beyond a few versions of one class's `forward`, PyTorch runs it eagerly."""
    known = inspect.signature(torch.compile).parameters
    alone: dict[str, Any] = {"isolate_recompiles": True} if "isolate_recompiles" in known else {}
    return cast("nn.Module", torch.compile(model, **alone))
