"""The smoothed classifier: one object that says which classifier it is, predicts and certifies."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.special import bdtrc
from torch import Tensor

from heatproof._check import check_choice, check_inputs, check_labels, check_number, check_whole, message
from heatproof._types import Classifier
from heatproof.certification._model import (
    AtTimeZero,
    check_rows,
    device_of,
    evaluating,
    fingerprint,
    one_pass_labels,
)
from heatproof.certification._record import ABSTAIN, Certificate, CertificationSettings, make_certificate
from heatproof.certification._votes import VotingPlan, count_votes
from heatproof.errors import DataError, InputError
from heatproof.noise import Gaussian, Lattice
from heatproof.noise.keyed import Stage, content_key, generator

__all__ = ["SmoothedPredictor"]

CLASSIFIERS = ("network", "equation")
_PROBES = 8


class SmoothedPredictor:
    """The classifier x ↦ argmax_k P(argmax model(x + s·ξ) = k), ξ ~ N(0, I), sampled on a lattice.

    `classifier="network"` smooths the model as it is; "equation" (time-conditioned models only) smooths
    the network at t = 0, before diffusion: with s = √2·σ this is the heat flow, over the diffusion stage,
    of the network's hard decisions at t = 0 (the one-pass network at t = 1 approximates the flow of its
    soft outputs). Neither is the one-pass network itself.

    Args:
        model: (B, *event) → (B, K) logits, a fixed function of each row: without randomness, and without
            regard to the other rows of the batch (normalisation by running statistics, never by those of
            the batch). A few noisy rows are tried together and alone before anything is sampled. A module
            is put in evaluation mode while it is used; a function (`lambda x: net(x)`) cannot be: call
            `net.eval()` first. It gets the lattice sum in float32, cast to float64, float16 or bfloat16
            where a module's first floating-point parameter is of that type; logits are read as float32.
        noise_std: s, in input units; one number for all inputs. May be left out for a time-conditioned
            model that carries it (`model.noise_std`, set by training on the convection–diffusion
            objective); then the classifier is "equation".
        classifier: "network", "equation", or None for the rule above.
        grid_step: the grid of the inputs (1/255 for 8-bit images in [0, 1]) or None.
        seed: together with each input's index it fixes every draw.
        batch_size: rows a forward pass; changes speed and memory only.

    Errors: `InputError` for values outside their range, `ModelError` for outputs outside the contract and
    for a model that is not a fixed function of each row.
    """

    def __init__(
        self,
        model: Classifier,
        *,
        noise_std: float | None = None,
        classifier: str | None = None,
        grid_step: float | None = None,
        seed: int = 0,
        batch_size: int = 2048,
    ) -> None:
        self.model = model
        self.noise_std, self.classifier = _choose(model, noise_std, classifier)
        self.seed = check_whole("seed", seed, at_least=0)
        self.batch_size = check_whole("batch_size", batch_size)
        self.lattice = Lattice.for_noise(Gaussian(noise_std=self.noise_std), grid_step)

    def settings(
        self,
        x: Float[Tensor, "batch *event"],
        *,
        alpha: float = 0.001,
        estimation_samples: int = 10_000,
        selection_samples: int = 100,
    ) -> CertificationSettings:
        """Return what a certification of inputs like x would be of.

        The model is tried on the first input and on 8 noisy copies of it, together and alone (33 rows, at
        most `batch_size` at once). Errors: those of the class.
        """
        check_number("alpha", alpha, above=0, below=1)
        check_whole("estimation_samples", estimation_samples)
        check_whole("selection_samples", selection_samples)
        with evaluating(self.model):
            _, classes = one_pass_labels(self._base, check_inputs("x", x)[:1], self.batch_size)
            check_rows(self._base, self._probes(x[0].detach()), classes)
        return CertificationSettings(
            noise_std=self.noise_std,
            classifier=self.classifier,
            alpha=alpha,
            estimation_samples=estimation_samples,
            selection_samples=selection_samples,
            seed=self.seed,
            grid_step=self.lattice.grid_step,
            unit=self.lattice.unit,
            dimension=x[0].numel(),
            classes=classes,
            model_fingerprint=fingerprint(self.model),
        )

    def certify(
        self,
        x: Float[Tensor, "batch *event"],
        settings: CertificationSettings | None = None,
        *,
        y: Int64[Tensor, " batch"] | None = None,
        index: Int64[Tensor, " batch"] | None = None,
    ) -> Iterator[Certificate]:
        """Yield one certificate an input, in order, each as soon as it is complete.

        Guarantee: for each input on its own, with probability at least 1 − alpha over the drawn noise, the
        smoothed classifier answers `label` at every point closer than `radius`, or it abstained.
        Procedure: Cohen et al. 2019 (CERTIFY): selection samples choose the class, fresh estimation
        samples bound its probability by Clopper–Pearson. Cost: n₀ + n forward rows an input.
        Errors: those of the class, at the call; `InputError` too if `settings` (say, of a certification
        that is resumed) are not of this model, noise, seed and kind of input: a radius computed with one
        noise_std from draws with another would be worth nothing.
        """
        check_inputs("x", x)
        keys = _keys(x, index)
        settings = self._agreed(x, settings)
        if y is not None:
            check_labels("y", y, count=len(x), classes=settings.classes)
        samples = {
            Stage.SELECTION: settings.selection_samples,
            Stage.ESTIMATION: settings.estimation_samples,
        }
        parts = x.detach().split(self.batch_size)
        rounding = torch.cat([self.lattice.rounding(part) for part in parts])
        with evaluating(self.model):
            one_pass, _ = one_pass_labels(self.model, x, self.batch_size)
        votes = self._votes(x, keys, samples, settings.classes)
        return (
            make_certificate(
                settings,
                index=keys[position],
                selection_counts=counts[Stage.SELECTION],
                estimation_counts=counts[Stage.ESTIMATION],
                rounding=float(rounding[position]),
                target=None if y is None else int(y[position]),
                one_pass=int(one_pass[position]),
            )
            for position, counts in votes
        )

    def predict(
        self,
        x: Float[Tensor, "batch *event"],
        *,
        alpha: float = 0.001,
        samples: int = 1_000,
        index: Int64[Tensor, " batch"] | None = None,
    ) -> Int64[Tensor, " batch"]:
        """Return the smoothed label of each input, or `ABSTAIN` (−1) where the vote is too close.

        Each answer differs from the true majority with probability at most alpha (Cohen et al. 2019,
        PREDICT: a two-sided exact binomial test of the two largest counts; Hung & Fithian 2019). With the
        same seed its draws are those of `certify`'s estimation: the two are not independent evidence.
        """
        check_whole("samples", samples)
        settings = self.settings(x, alpha=alpha, estimation_samples=samples)
        labels = torch.full((len(x),), ABSTAIN, dtype=torch.int64)
        keys = _keys(x, index)
        for position, counts in self._votes(x, keys, {Stage.ESTIMATION: samples}, settings.classes):
            labels[position] = _majority(counts[Stage.ESTIMATION], alpha)
        return labels

    def _agreed(self, x: Tensor, settings: CertificationSettings | None) -> CertificationSettings:
        """Return the settings, those of this predictor where none are given; refuse those of another."""
        if settings is None:
            return self.settings(x)
        own = self.settings(
            x,
            alpha=settings.alpha,
            estimation_samples=settings.estimation_samples,
            selection_samples=settings.selection_samples,
        )
        differ = [name for name in type(own).model_fields if getattr(own, name) != getattr(settings, name)]
        if differ:
            name = differ[0]
            got = f"{name} = {getattr(settings, name)!r}"
            advice = f"Also different: {', '.join(differ[1:])}." if len(differ) > 1 else ""
            text = message("settings", got, f"{getattr(own, name)!r}, that of this predictor", advice)
            raise InputError(text, name=name)
        return settings

    def _votes(
        self, x: Tensor, keys: list[int], samples: dict[Stage, int], classes: int
    ) -> Iterator[tuple[int, dict[Stage, np.ndarray]]]:
        plan = VotingPlan(samples, self.lattice, self.seed, classes, self.batch_size)
        stream = count_votes(self._base, x.detach(), keys, plan, device_of(self.model))
        while True:
            with evaluating(self.model):  # flags are restored between inputs: the caller may stop here
                votes = next(stream, None)
            if votes is None:
                return
            yield votes.position, votes.counts

    @property
    def _base(self) -> Classifier:
        """The network that receives the noise."""
        if self.classifier == "network":
            return self.model
        return AtTimeZero(self.model)

    def _probes(self, x: Float[Tensor, "*event"]) -> Float[Tensor, "rows *event"]:
        """Return a few different noisy copies of one input, no more than a batch holds."""
        codes = self.lattice.codes(x[None])[0].cpu()
        noise = torch.empty(min(_PROBES, self.batch_size), *codes.shape)
        noise.normal_(generator=generator(self.seed, content_key(x), Stage.SELECTION))
        return self.lattice.add_noise(codes, noise)


def _choose(model: Classifier, noise_std: float | None, classifier: str | None) -> tuple[float, str]:
    """Apply the rule which classifier is meant, and refuse what has no meaning."""
    timed = bool(getattr(model, "time_conditioned", False))
    own = getattr(model, "noise_std", None) if timed else None
    if classifier is None:
        classifier = "equation" if noise_std is None and own is not None else "network"
    check_choice("classifier", classifier, CLASSIFIERS)
    if classifier == "equation" and not timed:
        advice = "Use classifier='network', or a time-conditioned model."
        text = message("classifier", "'equation' for a model without time", "'network'", advice)
        raise InputError(text, name="classifier")
    if noise_std is None and own is None:
        advice = "Only a model trained on the convection–diffusion objective carries its own."
        raise InputError(message("noise_std", None, "a finite number > 0", advice), name="noise_std")
    value = own if noise_std is None else noise_std
    if isinstance(value, (Tensor, np.ndarray)):
        advice = "A noise_std chosen per input voids the certificate."
        raise InputError(message("noise_std", "an array", "one number > 0", advice), name="noise_std")
    number = check_number("noise_std", value, above=0)
    if classifier == "equation" and own is not None and not math.isclose(number, own, rel_tol=1e-6):
        advice = "Another noise is another classifier: use classifier='network'."
        allowed = f"{own:g}, that of the model's own equation"
        raise InputError(message("noise_std", number, allowed, advice), name="noise_std")
    return number, classifier


def _keys(x: Tensor, index: Tensor | None) -> list[int]:
    if index is None:
        return [content_key(row) for row in x]
    if not isinstance(index, Tensor) or index.dtype != torch.int64 or tuple(index.shape) != (len(x),):
        got = f"{index.dtype} of shape {tuple(index.shape)}" if isinstance(index, Tensor) else type(index)
        raise DataError(message("index", got, f"an int64 tensor of shape ({len(x)},)"), name="index")
    return [int(key) for key in index]


def _majority(counts: np.ndarray, alpha: float) -> int:
    second, first = (int(k) for k in np.argsort(counts, kind="stable")[-2:])
    top, both = int(counts[first]), int(counts[first] + counts[second])
    p_value = min(1.0, 2.0 * float(bdtrc(top - 1, both, 0.5)))
    return first if p_value <= alpha else ABSTAIN
