"""Certified with another noise than trained with, or for radii that its noise cannot reach.

A network keeps its answers under the noise it has seen; under more it abstains, under less its radii are
smaller than they might be. And with n draws, all of them for one class, the lower bound of its probability is
α^{1/n}: no radius is larger than the one this gives, s·Φ⁻¹(α^{1/n}) for Gaussian noise (Cohen et al. 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

from heatproof.noise import Gaussian, Noise
from heatproof.objectives import Objective
from heatproof.training.diagnosis._finding import Finding

__all__ = ["other_noise", "out_of_reach"]

_NEAR = 0.1


def other_noise(objective: Objective, certified: Noise) -> Finding | None:
    """Return the finding for certificates made with the noise `certified`, if there is one."""
    own = objective.smoothing_noise
    if own is None:
        return Finding(
            signature="noise",
            evidence=f"Certified with {certified.describe()}, but {objective.name} trains without noise.",
            change=f"Train with an objective that has this noise: {_augmentation(certified)}.",
            expectation="Far fewer abstentions and larger radii, for some accuracy without noise.",
            importance=2,
            overrides=(),
        )
    if _alike(own, certified):
        return None
    return Finding(
        signature="noise",
        evidence=f"Certified with {certified.describe()}, trained with {own.describe()}.",
        change="Certify with the noise of training (heatproof certify RUN), or train with this one.",
        expectation="Fewer abstentions if the noise was too wide, larger radii if it was too narrow.",
        importance=2,
    )


def out_of_reach(noise: Noise, radii: Sequence[float], *, draws: int, alpha: float) -> Finding | None:
    """Return the finding for ℓ2 `radii` of which none > 0 can be certified with Gaussian noise."""
    wanted = [radius for radius in radii if radius > 0]
    if not wanted or not isinstance(noise, Gaussian):
        return None
    lowest = alpha ** (1.0 / draws)
    reach = noise.radius(lowest, 1.0 - lowest)
    if reach >= min(wanted):
        return None
    return Finding(
        signature="noise",
        evidence=(
            f"With {noise.describe()}, {draws} draws and alpha {alpha:g} no radius beyond {reach:.3g} can be "
            f"certified; the smallest asked for is {min(wanted):g}."
        ),
        change=f"Train and certify with a noise_std of about {2 * min(wanted):g}, or ask for smaller radii.",
        expectation="Certified accuracy above 0 at the radii of the table.",
        importance=2,
    )


def _alike(first: Noise, second: Noise) -> bool:
    same = type(first) is type(second)
    return same and abs(first.scale - second.scale) <= _NEAR * first.scale


def _augmentation(noise: Noise) -> str:
    if isinstance(noise, Gaussian):
        return f"objective: {{name: gaussian_augmentation, noise_std: {noise.noise_std:g}}}"
    return f"objective: {{name: gaussian_augmentation, noise: {{name: {getattr(noise, 'name', '')}, …}}}}"
