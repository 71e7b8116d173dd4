"""Before the first step: whether model, data, objective and settings fit together."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from heatproof._check import message
from heatproof.data import DataSet
from heatproof.errors import HeatproofError, InputError, ModelError
from heatproof.training._processes import agreed
from heatproof.training._settings import TrainingSettings

__all__ = ["check_batches", "check_kinds", "check_logits", "check_model", "check_same"]

_RAW = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)


def check_kinds(model: object, **given: tuple[object, type]) -> None:
    """Raise `InputError` for an argument of another class, `ModelError` for a model without weights.

    `given` has each argument with its class, by name.
    """
    for name, (value, kind) in given.items():
        if not isinstance(value, kind):
            allowed = f"an instance of {kind.__module__.split('._')[0]}.{kind.__name__}"
            raise InputError(message(name, type(value).__name__, allowed), name=name)
    if not isinstance(model, nn.Module):
        raise ModelError(message("model", type(model).__name__, "a torch.nn.Module"), name="model")
    if not any(weight.requires_grad for weight in model.parameters()):
        advice = "Give it parameters, with requires_grad."
        raise ModelError(message("model", "nothing to train", "weights to train", advice), name="model")


def check_batches(model: nn.Module, data: DataSet, settings: TrainingSettings, processes: int) -> None:
    """Refuse batches that cannot be cut into shares, or normalised, or laid out. Errors: `InputError`."""
    rows, shares = min(settings.batch_size, len(data.train.y)), settings.shares or processes
    if shares % processes:
        raise InputError(
            message("shares", shares, f"a multiple of {processes}, the processes"), name="shares"
        )
    if rows % shares:
        got, allowed = f"{rows} rows in {shares} equal shares", f"a multiple of {shares}"
        advice = "Shares are as many as processes, or those of the setting shares."
        raise InputError(message("batch_size", got, allowed, advice), name="batch_size")
    if settings.channels_last and len(data.event_shape) != 3:
        got = f"true for inputs of shape {tuple(data.event_shape)}"
        text = message("channels_last", got, "false, but for images (C, H, W)")
        raise InputError(text, name="channels_last")
    if rows == shares:
        _check_statistics(model, rows)


def _check_statistics(model: nn.Module, rows: int) -> None:
    """Refuse normalisation by the statistics of one input."""
    model.train()
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:  # noqa: SLF001 - no public base
            shares = "" if rows == 1 else f", of which each share has 1 ({rows} shares)"
            got = f"{rows}{shares}, with batch statistics in {type(module).__name__} at {name or 'the top'!r}"
            allowed = "at least 2 rows a share, or a model without batch statistics"
            raise InputError(message("batch_size", got, allowed), name="batch_size")


def check_same(accelerator: Accelerator, fingerprint: str) -> None:
    """Refuse processes that would train different things. Errors: `InputError`, in all of them."""
    if not agreed(accelerator, bytes.fromhex(fingerprint)):
        got = "models, data, objectives, settings or seeds that differ between processes"
        allowed = "the same in all of them (weights are taken from the first)"
        raise InputError(message("processes", got, allowed), name="processes")


def check_model(model: nn.Module, data: DataSet, device: torch.device) -> None:
    """Run the model once on two inputs, in evaluation mode. Errors: `ModelError`."""
    check_logits(model, data.train.x[:2].to(device), data.classes)


def check_logits(model: nn.Module, x: Tensor, classes: int) -> None:
    """Ask the model once, in evaluation mode. Errors: `ModelError` unless it gives finite (rows, classes)."""
    model.eval()
    try:
        with torch.no_grad():
            logits = model(x)
    except _RAW as error:
        if isinstance(error, HeatproofError | torch.OutOfMemoryError):
            raise
        first = (str(error).strip().splitlines() or [""])[0]
        got = f"{type(error).__name__} ({first}) for inputs of shape {tuple(x.shape)}"
        allowed = "a module (rows, *event) → (rows, classes)"
        raise ModelError(message("model", got, allowed), name="model") from error
    _check_values(logits, len(x), classes)


def _check_values(logits: object, rows: int, classes: int) -> None:
    allowed = f"finite floating-point logits of shape ({rows}, {classes}), one for each class"
    got = type(logits).__name__
    if isinstance(logits, torch.Tensor):
        got = f"{logits.dtype} of shape {tuple(logits.shape)}"
        if tuple(logits.shape) == (rows, classes) and logits.is_floating_point():
            if bool(torch.isfinite(logits).all()):
                return
            got = "NaN or infinite logits before the first step"
    raise ModelError(message("model output", got, allowed), name="model")
