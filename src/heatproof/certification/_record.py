"""One certificate: a frozen record from which its radius can be recomputed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from heatproof._check import message
from heatproof._intervals import lower_bound
from heatproof._specification import Specification
from heatproof.errors import InputError
from heatproof.noise import Gaussian

__all__ = ["ABSTAIN", "Certificate", "CertificationSettings", "guarantee", "make_certificate"]

ABSTAIN = -1
"""The label of an input on which the smoothed classifier does not answer."""


class CertificationSettings(Specification):
    """What is the same for all inputs of one certification, and says which classifier is certified.

    `classifier` is "network" (the network smoothed by noise) or "equation" (the heat flow, over the
    diffusion stage, of the network's hard decisions at t = 0: noise on the input of g(·, t=0)). `vote`
    is hard: each draw votes for its top class. Two certificates are of one classifier only if
    `classifier`, `vote`, `noise`, `noise_std`, `unit` and `model_fingerprint` agree.
    """

    noise: Literal["gaussian"] = "gaussian"
    noise_std: float = Field(gt=0)
    classifier: Literal["network", "equation"] = "network"
    vote: Literal["hard"] = "hard"
    method: Literal["clopper-pearson"] = "clopper-pearson"
    alpha: float = Field(0.001, gt=0, lt=1)
    alpha_scope: Literal["per input"] = "per input"
    estimation_samples: int = Field(10_000, ge=1)
    selection_samples: int = Field(100, ge=1)
    seed: int = 0
    grid_step: float | None = Field(None, gt=0)
    unit: float = Field(gt=0)
    dimension: int = Field(ge=1)
    classes: int = Field(ge=2)
    model_fingerprint: str = ""


@dataclass(frozen=True)
class Certificate:
    """A radius around one input inside which the smoothed classifier provably does not change its answer.

    `candidate` is the class that the selection samples chose, `p_lower` a lower bound of its probability
    (level alpha) from the estimation samples; it abstains where p_lower ≤ ½. `radii` per norm are in
    input units; `rounding` has been taken off already (see `heatproof.noise.lattice`). `target` and
    `one_pass` (the prediction of the noise-free network) are for the tables and prove nothing.
    """

    index: int
    candidate: int
    abstained: bool
    p_lower: float
    radii: dict[str, float]
    rounding: float
    selection_counts: tuple[int, ...]
    estimation_counts: tuple[int, ...]
    settings: CertificationSettings
    target: int | None = None
    one_pass: int | None = None

    @property
    def label(self) -> int:
        """The certified label, or `ABSTAIN`."""
        return ABSTAIN if self.abstained else self.candidate

    @property
    def radius(self) -> float:
        """The certified ℓ2 radius; 0 where it abstained."""
        return self.radii["l2"]

    @property
    def correct(self) -> bool:
        """Whether it answered, and answered `target`; False where the target is not known."""
        return not self.abstained and self.candidate == self.target


def make_certificate(
    settings: CertificationSettings,
    *,
    index: int,
    selection_counts: np.ndarray,
    estimation_counts: np.ndarray,
    rounding: float,
    target: int | None = None,
    one_pass: int | None = None,
) -> Certificate:
    """Derive the certificate from counts: select, bound (Clopper–Pearson), radius (Cohen et al. 2019).

    The candidate comes from the selection counts alone, its bound from the estimation counts alone: the
    level holds because the two are independent. Errors: `InputError` if counts do not add up.
    """
    _check_counts("selection_counts", selection_counts, settings.selection_samples, settings.classes)
    _check_counts("estimation_counts", estimation_counts, settings.estimation_samples, settings.classes)
    candidate = int(selection_counts.argmax())
    votes = int(estimation_counts[candidate])
    p_lower = lower_bound(votes, settings.estimation_samples, settings.alpha)
    noise = Gaussian(noise_std=settings.noise_std)
    radius = max(0.0, noise.radius(p_lower) - rounding)
    return Certificate(
        index=index,
        candidate=candidate,
        abstained=p_lower <= 0.5,
        p_lower=p_lower,
        radii=noise.radii(radius, settings.dimension),
        rounding=rounding,
        selection_counts=tuple(int(count) for count in selection_counts),
        estimation_counts=tuple(int(count) for count in estimation_counts),
        settings=settings,
        target=target,
        one_pass=one_pass,
    )


def guarantee(settings: CertificationSettings) -> str:
    """Say in one sentence what a certificate with these settings promises."""
    who = {
        "network": "the network with Gaussian noise",
        "equation": "the equation's own solution u(·, T) started from the network's hard decisions at t = 0, "
        "that is the network before diffusion with Gaussian noise",
    }[settings.classifier]
    return (
        f"For each input on its own, with probability at least 1 − {settings.alpha:g} over the drawn noise, "
        f"the majority vote of {who} (noise_std {settings.noise_std:g}, exact normals assumed) gives the "
        f"certified label at every point closer than the certified radius, or the certifier abstained."
    )


def _check_counts(name: str, counts: np.ndarray, samples: int, classes: int) -> None:
    if counts.shape != (classes,) or int(counts.min()) < 0 or int(counts.sum()) != samples:
        got = f"shape {counts.shape} with sum {int(counts.sum())}"
        raise InputError(message(name, got, f"{classes} counts ≥ 0 that add up to {samples}"), name=name)
