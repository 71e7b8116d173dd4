"""The judge of certificates: fresh noise, hard votes, an exact binomial bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from heatproof._check import check_labels, check_number, check_whole
from heatproof._intervals import lower_bounds
from heatproof._types import Classifier, Progress, no_progress
from heatproof.attacks._attack import Keys
from heatproof.attacks._model import CheckedModel, under_attack
from heatproof.attacks._request import check_keys, check_points
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, Stream, pieces, random

__all__ = ["judge_smoothed"]

_LARGEST_CHUNK = 256
"""Draws of one input that go through the model together, at most."""


def judge_smoothed(
    model: Classifier,
    points: Tensor,
    label: Tensor,
    *,
    noise_std: float,
    grid_step: float | None = None,
    samples: int = 10_000,
    level: float = 1e-6,
    seed: int = 0,
    index: Tensor | None = None,
    batch_size: int = 512,
    progress: Progress = no_progress,
) -> Tensor:
    """Say for each point whether it refutes the claim P(arg max model(p + s·ξ) = label) > ½.

    That is what a certificate with p_B = 1 − p_A claims of every point p inside its radius (Cohen et al.
    2019). It is refuted iff the upper Clopper–Pearson bound of P(label), of level `level`, is below ½.

    **False alarm**: where the claim is true, a point is refuted with probability at most `level`, whatever
    the search that found it, because the noise is fresh (a stage of its own, `Stage.JUDGEMENT`) and a
    fixed number of samples is drawn. A certificate that itself fails with probability alpha may rightly be
    refuted that often. A point that is not refuted is not proved: P(label) may be a little under ½.

    Args:
        model: maps (batch, *event) to logits (batch, K); no gradients are needed.
        points: where to judge (batch, *event), float32 or float64.
        label: the certified class (batch,), int64.
        noise_std: s, in the unit of the inputs, > 0.
        grid_step: the grid of the data that the certificate was made with, or None. Points and noise are
            added on the same lattice as there, so that it is the certified classifier that votes.
        samples: votes for each point.
        level: the probability of a false alarm at each point, in (0, 1).
        seed: which noise; a whole number ≥ 0.
        index: identity of each input (batch,), int64, which keys its noise; default a hash of the point.
        batch_size: noisy samples in one pass through the model (at least 256 are taken).
        progress: told the number of points done.

    Returns:
        A bool tensor (batch,), true where refuted.

    Cost: `samples` passes forward for each point; memory independent of `samples`.

    Errors: `InputError`, `DataError`, `ModelError` as in `attack`.
    """
    std = check_number("noise_std", noise_std, above=0)
    number = check_whole("samples", samples)
    check_number("level", level, above=0, below=1)
    group = max(1, check_whole("batch_size", batch_size) // _LARGEST_CHUNK)
    with torch.inference_mode(mode=False):
        places = check_points("points", points)
        lattice = Lattice.for_noise(Gaussian(noise_std=std), grid_step)
        labels = check_labels("label", label, count=len(places)).detach().clone().to(places.device)
        keys = check_keys(seed, index, places)
    with under_attack(model, int(labels.max())) as checked, torch.no_grad():
        against = torch.zeros_like(labels)
        for rows in torch.arange(len(labels)).split(group):
            vote = _Vote(checked, places[rows], labels[rows], keys.rows(rows), lattice)
            against[rows] = vote.against(number)
            progress(int(rows[-1]) + 1, len(labels), "points judged")
    bounds = lower_bounds(against.cpu().numpy(), number, level)  # of P(not label)
    return torch.from_numpy(np.asarray(bounds > 0.5)).to(places.device)


@final
@dataclass(frozen=True, eq=False)
class _Vote:
    model: CheckedModel
    points: Float[Tensor, "batch *event"]
    label: Tensor
    keys: Keys
    lattice: Lattice

    def against(self, samples: int) -> Tensor:
        """Return the number of votes, of `samples`, for another class (batch,) int64."""
        count = torch.zeros_like(self.label)
        codes = self.lattice.codes(self.points).cpu()
        for start in range(0, samples, _LARGEST_CHUNK):
            count += self._round(codes, start, min(samples, start + _LARGEST_CHUNK))
        return count

    def _round(self, codes: Float64[Tensor, "batch *event"], start: int, stop: int) -> Tensor:
        """Return the votes against in draws start … stop − 1, which go through the model together."""
        drawn = (self._draws(one, start, stop) for one in self.keys.index)
        noisy = torch.stack(
            [self.lattice.add_noise(code, values) for code, values in zip(codes, drawn, strict=True)]
        ).to(self.points)  # (batch, rows, *event)
        votes = self.model(noisy.flatten(0, 1)).argmax(dim=1).unflatten(0, noisy.shape[:2])
        return torch.ne(votes, self.label[:, None]).sum(dim=1)

    def _draws(self, index: int, start: int, stop: int) -> Float[Tensor, "rows *event"]:
        event = self.points.shape[1:]
        stream = Stream(self.keys.seed, index, Stage.JUDGEMENT)
        return torch.cat(
            [
                random(self.lattice, event, stream, piece.chunk)[piece.first : piece.last]
                for piece in pieces(start, stop)
            ]
        )
