"""Before certifying: whether the model keeps its answers under the noise at all.

A model that was never trained on noise mostly does not, and its certificates are then abstentions, or
certificates of another answer than its own. A pilot of a few noisy copies of a few inputs shows it for a
thousandth of the cost. It proves nothing and enters no certificate: its draws are its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from heatproof.errors import NoiseWarning
from heatproof.noise import Lattice
from heatproof.noise.keyed import Stage, generator

__all__ = [
    "PILOT_COPIES",
    "PILOT_INPUTS",
    "UnderNoise",
    "advice",
    "noisy_copies",
    "pilot_rows",
    "under_noise",
    "warn",
]

PILOT_INPUTS = 64
PILOT_COPIES = 8
_LEAST = 8


@dataclass(frozen=True)
class UnderNoise:
    """What `copies` noisy copies of each of `inputs` inputs say of the model.

    `agreement` is the share of copies that get the answer of the noise-free input. An input is *kept* where
    more than half of its copies do, *moved* where more than half go to one other class, and *undecided*
    else. `accuracy` and `noise_free_accuracy` (of copies, of inputs) need labels, else they are None.
    """

    inputs: int
    copies: int
    agreement: float
    kept: int
    moved: int
    undecided: int
    accuracy: float | None = None
    noise_free_accuracy: float | None = None


def pilot_rows(count: int) -> Int64[Tensor, " rows"]:
    """Return which of `count` inputs to try: at most `PILOT_INPUTS`, evenly spread, each once."""
    return torch.linspace(0, count - 1, min(count, PILOT_INPUTS), dtype=torch.float64).round().long()


def noisy_copies(
    x: Float[Tensor, "inputs *event"],
    index: Sequence[int],
    lattice: Lattice,
    seed: int,
    copies: int = PILOT_COPIES,
) -> Float[Tensor, "copies inputs *noisy"]:
    """Return noisy copies of all inputs, keyed by (seed, index of the input), on the CPU.

    They are drawn apart from all samples of certificates, attacks and judgements, on the same lattice.
    """
    noise, found = lattice.noise, []
    for codes, key in zip(lattice.codes(x.detach().cpu()), index, strict=True):
        values = torch.empty(copies, *noise.drawn_shape(codes.shape))
        noise.fill(values, generator(seed, int(key), Stage.PILOT))
        found.append(lattice.perturb(codes, values))
    return torch.stack(found, dim=1)


def under_noise(
    logits: Callable[[Tensor], Tensor],
    x: Float[Tensor, "inputs *event"],
    noisy: Iterable[Float[Tensor, "inputs *event"]],
    y: Int64[Tensor, " inputs"] | None = None,
) -> UnderNoise:
    """Compare the answers at x with those at noisy copies of it: each item of `noisy` is one copy of all.

    Cost: one forward row an input and copy, and one an input. Errors: those of `logits`.
    """
    labels = _answers(logits, x)
    votes = np.stack([_answers(logits, copy) for copy in noisy])  # (copies, inputs)
    copies, inputs = votes.shape
    classes = int(max(votes.max(), labels.max())) + 1
    counts = np.stack([np.bincount(column, minlength=classes) for column in votes.T])  # (inputs, classes)
    decided = 2 * counts.max(axis=1) > copies
    kept = decided & (counts.argmax(axis=1) == labels)
    right = None if y is None else y.detach().cpu().numpy()
    return UnderNoise(
        inputs=inputs,
        copies=copies,
        agreement=float((votes == labels).mean()),
        kept=int(kept.sum()),
        moved=int((decided & ~kept).sum()),
        undecided=int((~decided).sum()),
        accuracy=None if right is None else float((votes == right).mean()),
        noise_free_accuracy=None if right is None else float((labels == right).mean()),
    )


def advice(found: UnderNoise, noise: str) -> str | None:
    """Say what to expect and what to do, or nothing where at least half of the inputs are kept.

    Nothing, too, for fewer than 8 inputs: their certificates say it themselves. `noise` is how the noise is
    called. A share of undecided inputs is a low guess of the abstentions to come: with few copies a class
    has more than half of them by luck, too.
    """
    if found.inputs < _LEAST or 2 * found.kept >= found.inputs:
        return None
    other = f", {found.moved} go to another class" if found.moved else ""
    return (
        f"under {noise} this model keeps its noise-free answer at {found.kept} of {found.inputs} inputs "
        f"({found.undecided} have no majority in {found.copies} noisy copies{other}{_accuracies(found)}). "
        f"{_expectation(found)} Adapt it with heatproof.finetune(model, data, noise_std=…), put a denoiser "
        "in front of it with heatproof.networks.Denoised, or use less noise."
    )


def warn(found: UnderNoise, noise: str, *, stacklevel: int = 2) -> None:
    """Warn (`NoiseWarning`) where `advice` has something to say."""
    text = advice(found, noise)
    if text is not None:
        warnings.warn(text, NoiseWarning, stacklevel=stacklevel + 1)


def _answers(logits: Callable[[Tensor], Tensor], x: Tensor) -> np.ndarray:
    return np.asarray(logits(x).argmax(dim=1).cpu().numpy())


def _accuracies(found: UnderNoise) -> str:
    if found.accuracy is None or found.noise_free_accuracy is None:
        return ""
    return f"; accuracy {found.noise_free_accuracy:.0%} without noise, {found.accuracy:.0%} with it"


def _expectation(found: UnderNoise) -> str:
    if found.undecided >= found.moved:
        return "Expect it to abstain, or to get a radius near 0, at most inputs."
    return "Expect certificates of other answers than its own at most inputs."
