"""What the certifier needs to know of a model before it draws: its classes, its device, its identity."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.errors import HeatproofError, ModelError

__all__ = ["checked_logits", "device_of", "evaluating", "fingerprint", "one_pass_labels"]

_RAW = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)


@contextlib.contextmanager
def evaluating(model: Classifier) -> Iterator[None]:
    """Put every submodule in evaluation mode, without gradients, and restore each flag afterwards."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    flags = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module, flag in zip(modules, flags, strict=True):
            module.training = flag


def device_of(model: Classifier) -> torch.device:
    """Return the device of the model's first parameter or buffer; the CPU where it has none."""
    if isinstance(model, nn.Module):
        for tensor in (*model.parameters(), *model.buffers()):
            return tensor.device
    return torch.device("cpu")


def fingerprint(model: Classifier) -> str:
    """Return a SHA-256 of names, shapes and values of all parameters and buffers; "" for a function."""
    if not isinstance(model, nn.Module):
        return ""
    digest = hashlib.sha256()
    parameters = model.named_parameters(remove_duplicate=False)
    buffers = model.named_buffers(remove_duplicate=False)  # also those that a state_dict leaves out
    for name, tensor in sorted([*parameters, *buffers], key=lambda pair: pair[0]):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{values.dtype}:{tuple(values.shape)};".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def one_pass_labels(
    model: Classifier, x: Float[Tensor, "batch *event"], batch_size: int
) -> tuple[Int64[Tensor, " batch"], int]:
    """Return the noise-free predictions and K. Errors: `ModelError` if the contract is not kept."""
    labels: list[Tensor] = []
    classes: int | None = None
    for part in x.split(batch_size):
        logits = checked_logits(model, part, device_of(model), classes)
        classes = logits.shape[1]
        labels.append(logits.argmax(dim=1).cpu())
    return torch.cat(labels), int(logits.shape[1])


def checked_logits(
    model: Classifier, x: Float[Tensor, "batch *event"], device: torch.device, classes: int | None
) -> Float[Tensor, "batch K"]:
    """Return the model's logits for x as float32; K must be `classes` where that is known already.

    Errors: `ModelError` if the model fails, or if its output is not (batch, K) with K ≥ 2 and finite.
    """
    try:
        logits = model(x.to(device, torch.float32))
    except _RAW as error:
        if isinstance(error, HeatproofError | torch.OutOfMemoryError):
            raise
        raise _failed(x, error) from error
    _check_logits(logits, len(x), classes)
    return logits


def _failed(x: Tensor, error: Exception) -> ModelError:
    first = (str(error).strip().splitlines() or [""])[0]
    got = f"{type(error).__name__} ({first}) for float32 inputs of shape {tuple(x.shape)}"
    advice = "Check that shape and dtype of inputs and model agree."
    return ModelError(message("model", got, "a callable (batch, *event) -> (batch, K)", advice), name="model")


def _check_logits(logits: object, rows: int, classes: int | None) -> None:
    wanted = "K) with K ≥ 2" if classes is None else f"{classes})"
    allowed = f"finite floating-point logits of shape ({rows}, {wanted}"
    if not isinstance(logits, Tensor):
        raise ModelError(message("model output", type(logits).__name__, allowed), name="model")
    fits = logits.ndim == 2 and len(logits) == rows and logits.shape[1] >= 2
    if not fits or classes not in {None, logits.shape[1]} or not logits.is_floating_point():
        got = f"{logits.dtype} of shape {tuple(logits.shape)}"
        raise ModelError(message("model output", got, allowed), name="model")
    if not bool(torch.isfinite(logits).all()):
        text = message("model output", "NaN or infinite logits", allowed, "Check the weights and the input.")
        raise ModelError(text, name="model")
