"""A running average of the weights, which stands in for them where a model is judged, kept or saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

__all__ = ["Average"]


@final
class Average:
    """w̄_k = (1 − β)/(1 − βᵏ)·Σ_{j ≤ k} β^(k−j)·w_j, w_j the weights after step j.

    The factor in front makes the shares of the w_j add up to one, so that the initial weights, which no step
    has seen, have no share. Floating-point buffers (running statistics) are averaged the same, others copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay = model, decay
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def add(self, step: int) -> None:
        """Take in the weights after step k, counted from 1."""
        share = (1 - self._decay) / (1 - self._decay**step)
        for name, value in self._model.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, share)
            else:
                self.values[name].copy_(value)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Within, the model has the average; afterwards its own weights again."""
        own = {name: value.clone() for name, value in self._model.state_dict().items()}
        self.settle()
        try:
            yield
        finally:
            _copy(own, self._model)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Go on from the values of a checkpoint."""
        for name, value in values.items():
            self.values[name].copy_(value)

    def settle(self) -> None:
        """Give the model the average for good."""
        _copy(self.values, self._model)


@torch.no_grad()
def _copy(values: dict[str, Tensor], model: nn.Module) -> None:
    for name, value in model.state_dict().items():
        value.copy_(values[name])
