"""Mean and standard error of samples that come in parts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["RunningMean"]


class RunningMean:
    """The mean of samples (n, B, K), and its standard error √(Σ(y − ȳ)²/(n(n − 1))), both in float64.

    Sums are of differences from the first sample, so that nothing cancels where the mean is large beside the
    spread, and equal samples have exactly their value as mean and 0 as error. Differentiable in the samples;
    the error carries no gradient.
    """

    def __init__(self) -> None:
        self.count = 0
        self._shift = self._total = self._squares = torch.zeros(0, dtype=torch.float64)

    def add(self, samples: Float[Tensor, "draws batch values"]) -> None:
        """Take further samples into account."""
        samples = samples.double()
        if not self.count:
            self._shift = samples[0].detach()
            self._total, self._squares = torch.zeros_like(self._shift), torch.zeros_like(self._shift)
        difference = samples - self._shift
        self._total = self._total + difference.sum(dim=0)
        self._squares = self._squares + difference.detach().square().sum(dim=0)
        self.count += len(samples)

    def mean(self) -> Float[Tensor, "batch values"]:
        """Return the mean."""
        return self._shift + self._total / self.count

    def standard_error(self) -> Float[Tensor, "batch values"]:
        """Return the standard error of the mean, for at least two samples."""
        total = self._total.detach()
        spread = (self._squares - total.square() / self.count).clamp_min(0)
        return (spread / (self.count * (self.count - 1))).sqrt()
