"""A denoiser in front of a classifier, so that one never trained on noise can be smoothed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import nn

from heatproof._check import check_number, message
from heatproof.errors import InputError, ModelError
from heatproof.networks.normalise import check_event
from heatproof.networks.time import Time

__all__ = ["Denoised"]


class Denoised(nn.Module):
    """x ↦ model(clip(denoiser(x))): denoised smoothing (Salman, Sun, Yang, Kapoor & Kolter 2020).

    `denoiser` is any module or function from noisy inputs (B, *event) to inputs of the same shape, in the
    data's own range; `model` is the classifier as it is, (B, *event) to logits (B, K). With
    `input_range` = (low, high) what the denoiser gives is clipped to the range that the classifier knows; the
    noisy input itself is not. What is certified by `certify(Denoised(denoiser, model), x, noise_std=…)` is
    this whole under noise: a radius is still a distance between raw inputs, whatever the denoiser does.

    A model that takes time keeps it: the pair is time-conditioned where `model` is. It carries no noise_std
    of its own. To train the denoiser alone, freeze the classifier: `model.requires_grad_(False)` (the
    running statistics of its batch normalisation, if any, still move while it is in training mode).

    Cost: both, once. Errors: `InputError` for inputs that are not floating-point (B, *event) or a range that
    is none, `ModelError` for parts that cannot be called and for a denoiser that changes shape or type.
    """

    def __init__(
        self,
        denoiser: Callable[..., torch.Tensor],
        model: Callable[..., torch.Tensor],
        input_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        for name, part in (("denoiser", denoiser), ("model", model)):
            if not callable(part):
                raise ModelError(message(name, type(part).__name__, "a module or a function"), name=name)
        self.denoiser = denoiser
        self.model = model
        self.input_range = None if input_range is None else _checked(input_range)
        self.time_conditioned = bool(getattr(model, "time_conditioned", False))

    def forward(
        self, x: Shaped[torch.Tensor, "batch *event"], t: Time = None
    ) -> Float[torch.Tensor, "batch classes"]:
        """Return logits (B, K); `t` goes to a time-conditioned model, and must be None for another."""
        check_event(x, None)
        if t is not None and not self.time_conditioned:
            raise InputError(message("t", t, "None, as the model takes no time"), name="t")
        clean = _same_kind(self.denoiser(x), x)
        if self.input_range is not None:
            clean = clean.clamp(*self.input_range)
        logits: torch.Tensor = self.model(clean, t) if self.time_conditioned else self.model(clean)
        return logits

    def extra_repr(self) -> str:
        """Return the range for `print(model)`."""
        return "" if self.input_range is None else f"input_range={self.input_range}"


def _checked(input_range: object) -> tuple[float, float]:
    if not isinstance(input_range, tuple | list) or len(input_range) != 2:
        raise InputError(message("input_range", repr(input_range), "(low, high)"), name="input_range")
    low = check_number("input_range low", input_range[0])
    return low, check_number("input_range high", input_range[1], above=low)


def _same_kind(clean: object, x: torch.Tensor) -> torch.Tensor:
    """Return what the denoiser gave if it is like x."""
    allowed = f"{x.dtype} of shape {tuple(x.shape)}, like its input"
    if not isinstance(clean, torch.Tensor):
        raise ModelError(message("denoiser output", type(clean).__name__, allowed), name="denoiser")
    if clean.shape != x.shape or clean.dtype != x.dtype:
        advice = "Put what resizes or converts inside the denoiser."
        got = f"{clean.dtype} of shape {tuple(clean.shape)}"
        raise ModelError(message("denoiser output", got, allowed, advice), name="denoiser")
    return clean
