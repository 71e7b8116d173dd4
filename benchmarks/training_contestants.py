"""The objectives that the benchmarks of training compare, as configurations name them.

Parameters are those of the papers:

* consistency: λ = 10 at noise_std .25 and 5 above on MNIST, 20 and 10 on CIFAR-10, η = .5, two copies
  (Jeong & Shin 2020 and their published runs);
* stability: γ = 2, as Jeong & Shin (2020) take for it;
* MACER: 16 copies, λ = 16, γ = 8, β = 16 on MNIST (Zhai et al. 2020);
* SmoothAdv: ℓ2 ball of radius 1, 10 steps, 4 copies (Salman et al. 2019; with these, Jeong et al. 2021 train
  on MNIST), without their slow start;
* SmoothMix: 4 copies, α = 1, T = 2, 4, 8 at noise_std .25, .5, 1, η = 5 (Jeong et al. 2021);
* adversarial, TRADES: β = 6 (Zhang et al. 2019), the same ball and steps as SmoothAdv, as the certificates
  are ℓ2; Madry et al. (2018) and Zhang et al. use ℓ∞ on MNIST;
* input-gradient penalty: λ = 1, at noisy inputs, which the papers do not have: without noise a network that
  is smoothed with it has little to certify.

With few epochs to spend, what needs many passes a step hardly trains. So `…_few` are MACER, SmoothAdv and
SmoothMix once more with few copies and steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

__all__ = [
    "CONSISTENCY",
    "CONTESTANTS",
    "FEW",
    "GAUSSIAN",
    "OURS",
    "PUBLISHED_TRAINING",
    "STEADY",
    "definition",
    "ours",
    "paper",
]

Definition: TypeAlias = Mapping[str, Any]

GAUSSIAN, CONSISTENCY, OURS = "gaussian_augmentation", "consistency", "ours"
STEADY = "ours_constant_pace"
"""A variant of ours, which is no rival of it: a hopeless input is carried as far as a sure one."""

FEW = ("macer_few", "smoothadv_few", "smoothmix_few")

_BALL = {"radius": 1.0, "steps": 10, "input_range": (0.0, 1.0)}
_FEW_STEPS = {"steps": 2, "copies": 1}


PUBLISHED_TRAINING: Mapping[str, Any] = {
    "epochs": 90,
    "batch_size": 256,
    "nesterov": False,
    "weight_decay": 1e-4,
    "schedule": "step",
    "milestones": (1 / 3, 2 / 3),
    "decay": 0.1,
    "warmup": 0.0,
    "gradient_clip": None,
}
"""Of Cohen et al. (2019) and those who compare with them, but for the learning rate."""


def ours(s: float) -> Definition:
    """Return the objective that the project proposes, for noise_std s."""
    return {"name": "adversarial_drift", "noise_std": s, "drift": 2.0, "weight": 5.0}


def paper(s: float) -> Definition:
    """Return the objective of the convection–diffusion paper (arXiv 2307.12333), labels at its noisy views.

    With m = 1 at the stability bound and labels at the clean inputs only, as printed, the smoothed network
    would never be told a label under noise, and a step would cost four evaluations instead of three.
    """
    return {"name": "convection_diffusion", "noise_std": s, "weight": 10.0, "labels_at": "views"}


def _consistency(s: float, data: str) -> Definition:
    low, high = {"cifar10": (20.0, 10.0)}.get(data, (10.0, 5.0))
    return {"name": "consistency", "noise_std": s, "weight": low if s < 0.5 else high}


def _macer(s: float) -> Definition:
    return {"name": "macer", "noise_std": s, "weight": 16.0, "margin": 8.0, "inverse_temperature": 16.0}


def _smoothmix(s: float) -> Definition:
    return {"name": "smoothmix", "noise_std": s, "steps": round(8 * s), "step_size": 1.0}


CONTESTANTS: dict[str, Callable[[float], Definition]] = {
    "natural": lambda _: {"name": "natural"},
    GAUSSIAN: lambda s: {"name": "gaussian_augmentation", "noise_std": s},
    "stability": lambda s: {"name": "stability", "noise_std": s, "weight": 2.0},
    "macer": lambda s: {**_macer(s), "copies": 16},
    "macer_few": lambda s: {**_macer(s), "copies": 4},
    "smoothadv": lambda s: {"name": "smoothadv", "noise_std": s, "copies": 4, **_BALL},
    "smoothadv_few": lambda s: {"name": "smoothadv", "noise_std": s, **_BALL, **_FEW_STEPS},
    "smoothmix": lambda s: {**_smoothmix(s), "copies": 4, "input_range": (0.0, 1.0)},
    "smoothmix_few": lambda s: {"name": "smoothmix", "noise_std": s, **_FEW_STEPS, "input_range": (0.0, 1.0)},
    "input_gradient_penalty": lambda s: {"name": "input_gradient_penalty", "noise_std": s, "weight": 1.0},
    "adversarial": lambda _: {"name": "adversarial", **_BALL},
    "trades": lambda _: {"name": "trades", "weight": 6.0, **_BALL},
    "convection_diffusion": paper,
    OURS: ours,
    STEADY: lambda s: {**ours(s), "pace": "constant"},
}
"""Every objective but consistency, whose weight depends on the data; see `definition`."""


def definition(name: str, noise_std: float, data: str) -> Definition:
    """Return what a configuration says of an objective, for smoothing with this noise."""
    if name == CONSISTENCY:
        return {**_consistency(noise_std, data), "copies": 2, "entropy_weight": 0.5}
    return CONTESTANTS[name](noise_std)
