"""A model under attack: evaluation mode, no parameter gradients, and its contract checked at each call."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from heatproof._check import message
from heatproof._types import Classifier
from heatproof.errors import GradientMaskingWarning, HeatproofError, ModelError

__all__ = ["CheckedModel", "input_gradient", "is_flat", "under_attack", "warn_if_masked"]

_RAW = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)


@final
class CheckedModel:
    """A model whose every output is checked to be (batch, K) finite logits with K ≥ 2 above all labels."""

    def __init__(self, model: Classifier, largest_label: int) -> None:
        self._model = model
        self._largest = largest_label

    def __call__(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch K"]:
        """Return the logits; raise `ModelError` where the contract is broken."""
        try:
            logits = self._model(x)
        except _RAW as error:
            if isinstance(error, HeatproofError | torch.OutOfMemoryError):
                raise
            raise _failed(x, error) from error
        self._check(logits, len(x))
        return logits

    def _check(self, logits: object, count: int) -> None:
        least = max(2, self._largest + 1)
        allowed = f"finite floating-point logits of shape ({count}, K) with K ≥ {least}"
        if not isinstance(logits, Tensor):
            raise ModelError(message("model output", type(logits).__name__, allowed), name="model")
        fits = logits.ndim == 2 and len(logits) == count and logits.shape[1] >= least
        if not fits or not logits.is_floating_point():
            advice = f"The labels go up to {self._largest}; number them from 0, one logit for each class."
            got = f"{logits.dtype} of shape {tuple(logits.shape)}"
            raise ModelError(message("model output", got, allowed, advice), name="model")
        if not bool(torch.isfinite(logits).all()):
            bad = int((~torch.isfinite(logits)).any(dim=1).sum())
            advice = "Check the weights and the range of the inputs."
            got = f"NaN or infinite logits for {bad} of {count} inputs"
            raise ModelError(message("model output", got, allowed, advice), name="model")


def _failed(x: Tensor, error: Exception) -> ModelError:
    first = (str(error).strip().splitlines() or [""])[0]
    got = f"{type(error).__name__} ({first}) for {x.dtype} inputs of shape {tuple(x.shape)} on {x.device}"
    advice = "Check that shape, dtype and device of inputs and model agree."
    return ModelError(message("model", got, "a callable (batch, *event) -> (batch, K)", advice), name="model")


@contextmanager
def under_attack(model: Classifier, largest_label: int) -> Iterator[CheckedModel]:
    """Lend the model: in evaluation mode, its parameters frozen, gradients on whatever the caller set.

    Afterwards every submodule's training flag and every parameter's `requires_grad` are as they were.
    """
    with torch.inference_mode(mode=False), torch.enable_grad():
        if not isinstance(model, nn.Module):
            yield CheckedModel(model, largest_label)
            return
        modes = [(module, module.training) for module in model.modules()]
        needs = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
        try:
            model.eval()
            for parameter, _ in needs:
                parameter.requires_grad_(False)
            yield CheckedModel(model, largest_label)
        finally:
            model.train(modes[0][1])  # for modules that do more in `train` than set the flag
            for module, training in modes:
                module.training = training
            for parameter, needed in needs:
                parameter.requires_grad_(needed)


def input_gradient(
    gain: Float[Tensor, " batch"], points: Float[Tensor, "batch *event"], *, keep_graph: bool = False
) -> Float[Tensor, "batch *event"]:
    """Return ∂(Σ gain)/∂points, a NaN counted as 0. Raise `ModelError` if no gradient reaches the points."""
    found = None
    if gain.requires_grad:
        (found,) = torch.autograd.grad(gain.sum(), points, allow_unused=True, retain_graph=keep_graph)
    if found is None:
        allowed = "logits that are differentiable in the inputs"
        advice = "Remove detach, argmax or no_grad from the model; without gradients the attack sees nothing."
        raise ModelError(message("model output", "logits without gradient", allowed, advice), name="model")
    return torch.nan_to_num(found)


def is_flat(gradient: Float[Tensor, "batch *event"]) -> Bool[Tensor, " batch"]:
    """Say where the gradient is exactly 0."""
    return ~(gradient != 0).flatten(1).any(dim=1)


def warn_if_masked(flat: int, total: int) -> None:
    """Warn with `GradientMaskingWarning` if more than half of the inputs have a gradient of exactly 0."""
    if 2 * flat > total:
        text = (
            f"the gradient is exactly 0 at {flat} of {total} attacked inputs: this attack cannot "
            "see the way out, and what it does not find is no evidence of robustness. Try the loss 'margin', "
            "random restarts, or an attack without gradients."
        )
        warnings.warn(text, GradientMaskingWarning, stacklevel=4)
