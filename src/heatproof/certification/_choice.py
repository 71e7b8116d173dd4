"""Which classifier is meant, by which noise it is smoothed, and how its inputs are told apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from heatproof._check import check_choice, check_number, message
from heatproof._types import Classifier
from heatproof.certification._model import AtTimeZero
from heatproof.errors import DataError, InputError
from heatproof.noise import Gaussian, InteriorDiffusion, Noise
from heatproof.noise.keyed import content_key

__all__ = ["CLASSIFIERS", "Choice", "choose", "input_keys"]

CLASSIFIERS = ("network", "equation", "interior")


@dataclass(frozen=True)
class Choice:
    """The smoothed classifier: its kind, its noise, and the function that receives the noise."""

    classifier: str
    noise: Noise
    base: Classifier


def choose(model: Classifier, noise: Noise | None, noise_std: float | None, classifier: str | None) -> Choice:
    """Apply the rule which classifier is meant, and refuse what has no meaning. Errors: `InputError`."""
    if noise is not None and noise_std is not None:
        text = message("noise_std", f"{noise_std!r} beside noise", "one of noise and noise_std")
        raise InputError(text, name="noise_std")
    if noise is not None and not isinstance(noise, Noise):
        allowed = "a noise such as hp.noise.Uniform(half_width=0.5)"
        raise InputError(message("noise", type(noise).__name__, allowed), name="noise")
    if classifier is not None:
        check_choice("classifier", classifier, CLASSIFIERS)
    carried = getattr(model, "noise", None)
    if any(isinstance(one, InteriorDiffusion) for one in (noise, carried)) or classifier == "interior":
        return _interior(model, noise, noise_std, classifier)
    timed = bool(getattr(model, "time_conditioned", False))
    own = getattr(model, "noise_std", None) if timed else None
    if classifier is None:
        classifier = "equation" if noise is None and noise_std is None and own is not None else "network"
    if classifier == "equation" and not timed:
        advice = "Use classifier='network', or a time-conditioned model."
        text = message("classifier", "'equation' for a model without time", "'network'", advice)
        raise InputError(text, name="classifier")
    chosen = Gaussian(noise_std=_noise_std(noise_std, own)) if noise is None else noise
    if classifier == "equation":
        _check_equation(chosen, own)
        return Choice(classifier, chosen, AtTimeZero(model))
    return Choice(classifier, chosen, model)


def _interior(
    model: Classifier, noise: Noise | None, noise_std: float | None, classifier: str | None
) -> Choice:
    """Return the chain smoothed by its own noise, whose Lipschitz bounds are those of now; nothing else."""
    check, carried = getattr(model, "check_noise", None), getattr(model, "noise", None)
    if check is None or classifier not in {None, "interior"}:
        got = f"classifier {classifier!r}, noise {type(noise).__name__} with a {type(model).__name__}"
        allowed = "heatproof.networks.InteriorClassifier(chain, event_shape) with its own noise"
        advice = "Diffusion inside a network and noise at its input are different classifiers."
        raise InputError(message("classifier", got, allowed, advice), name="classifier")
    if noise_std is not None:
        advice = "A first block nn.Identity() with its noise_std is noise at the input."
        text = message("noise_std", noise_std, "none for a chain, which has its own", advice)
        raise InputError(text, name="noise_std")
    chosen: Any = carried if noise is None else noise
    check(chosen)
    return Choice("interior", chosen, model)


def _noise_std(given: object, own: object) -> float:
    if given is None and own is None:
        advice = "Only a model trained on the convection–diffusion objective carries its own."
        raise InputError(message("noise_std", None, "a finite number > 0", advice), name="noise_std")
    value = own if given is None else given
    if isinstance(value, (Tensor, np.ndarray)):
        advice = "A noise_std chosen per input voids the certificate."
        raise InputError(message("noise_std", "an array", "one number > 0", advice), name="noise_std")
    return check_number("noise_std", value, above=0)


def _check_equation(noise: Noise, own: Any) -> None:
    """Refuse a noise that is not the heat kernel of the model's own equation."""
    advice = "Another noise is another classifier: use classifier='network'."
    if not isinstance(noise, Gaussian):
        allowed = "Gaussian noise, which the heat equation is"
        raise InputError(message("noise", noise.describe(), allowed, advice), name="noise")
    if own is not None and not math.isclose(noise.noise_std, own, rel_tol=1e-6):
        allowed = f"{own:g}, that of the model's own equation"
        raise InputError(message("noise_std", noise.noise_std, allowed, advice), name="noise_std")


def input_keys(x: Tensor, index: Tensor | None) -> list[int]:
    """Return what keys the noise of each input: its index, or a hash of its content. Errors: `DataError`."""
    if index is None:
        return [content_key(row) for row in x]
    if not isinstance(index, Tensor) or index.dtype != torch.int64 or tuple(index.shape) != (len(x),):
        got = f"{index.dtype} of shape {tuple(index.shape)}" if isinstance(index, Tensor) else type(index)
        raise DataError(message("index", got, f"an int64 tensor of shape ({len(x)},)"), name="index")
    return [int(key) for key in index]
