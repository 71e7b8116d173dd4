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
from heatproof.errors import ModelError

__all__ = ["device_of", "evaluating", "fingerprint", "one_pass_labels"]


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
    for name, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name}:{values.dtype}:{tuple(values.shape)};".encode())
        digest.update(values.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def one_pass_labels(
    model: Classifier, x: Float[Tensor, "batch *event"], batch_size: int
) -> tuple[Int64[Tensor, " batch"], int]:
    """Return the noise-free predictions and K. Errors: `ModelError` if the contract is not kept."""
    device = device_of(model)
    labels, classes = [], 0
    for part in x.split(batch_size):
        logits = model(part.to(device))
        classes = _check_logits(logits, len(part))
        labels.append(logits.argmax(dim=1).cpu())
    return torch.cat(labels), classes


def _check_logits(logits: object, rows: int) -> int:
    allowed = f"finite floating-point logits of shape ({rows}, K) with K ≥ 2"
    if not isinstance(logits, Tensor):
        raise ModelError(message("model output", type(logits).__name__, allowed), name="model")
    if logits.ndim != 2 or len(logits) != rows or logits.shape[1] < 2 or not logits.is_floating_point():
        got = f"{logits.dtype} of shape {tuple(logits.shape)}"
        raise ModelError(message("model output", got, allowed), name="model")
    if not bool(torch.isfinite(logits).all()):
        text = message("model output", "NaN or infinite logits", allowed, "Check the weights and the input.")
        raise ModelError(text, name="model")
    return int(logits.shape[1])
