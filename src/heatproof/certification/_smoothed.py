"""The smoothed classifier: one object that says which classifier it is, predicts and certifies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.special import bdtrc
from torch import Tensor

from heatproof._check import check_inputs, check_labels, check_number, check_whole, message
from heatproof._types import Classifier
from heatproof.certification._choice import choose, input_keys
from heatproof.certification._record import ABSTAIN, Certificate, make_certificate
from heatproof.certification._rules import looks_of, rule_of
from heatproof.certification._settings import CertificationSettings
from heatproof.certification._smoothing import Smoothing
from heatproof.certification._under_noise import UnderNoise, warn
from heatproof.certification.sampling.execution import Execution
from heatproof.certification.sampling.schedule import Sampled
from heatproof.errors import InputError
from heatproof.noise import Noise
from heatproof.statistics import FixedRule

__all__ = ["SmoothedPredictor"]

OF_THE_MODEL = (
    *("noise", "classifier", "seed", "grid_step", "unit", "dimension", "classes"),
    *("precision", "model_fingerprint"),
)
"""The settings that a predictor fixes; the others say how it is certified."""


class SmoothedPredictor:
    """The classifier x ↦ argmax_k P(argmax model(x + noise) = k), sampled on a lattice.

    `classifier="network"` smooths the model as it is; "equation" (time-conditioned models only) smooths
    the network at t = 0, before diffusion: with s = √2·σ this is the heat flow, over the diffusion stage,
    of the network's hard decisions at t = 0 (the one-pass network at t = 1 approximates the flow of its
    soft outputs); "interior" is a `DiffusionChain` with its own noise. None is the one-pass network itself.

    Args:
        model: (B, *event) → (B, K) logits, a fixed function of each row: without randomness, and without
            regard to the other rows of the batch (normalisation by running statistics, never by those of
            the batch). A few noisy rows are tried together and alone before anything is sampled. A module
            is put in evaluation mode while it is used; a function (`lambda x: net(x)`) cannot be: call
            `net.eval()` first. It gets the lattice sum in float32, cast to float64, float16 or bfloat16
            where a module's first floating-point parameter is of that type.
        noise: any `heatproof.noise.Noise`; one law for all inputs.
        noise_std: s of isotropic Gaussian noise, in input units, in place of `noise`. Both may be left out
        for
            a time-conditioned model that carries it (`model.noise_std`, set by training on the
            convection–diffusion objective); then the classifier is "equation".
        classifier: "network", "equation", "interior", or None for the rule above.
        grid_step: the grid of the inputs (1/255 for 8-bit images in [0, 1]) or None.
        seed: together with each input's index it fixes every draw.
        execution: batch size, precision, memory format, compilation. All but the precision change speed and
            memory only; the precision makes another classifier.

    Errors: `InputError` for values outside their range, `ModelError` for outputs outside the contract and
    for a model that is not a fixed function of each row.
    """

    def __init__(
        self,
        model: Classifier,
        *,
        noise: Noise | None = None,
        noise_std: float | None = None,
        classifier: str | None = None,
        grid_step: float | None = None,
        seed: int = 0,
        execution: Execution | None = None,
    ) -> None:
        check_whole("seed", seed, at_least=0)
        chosen = choose(model, noise, noise_std, classifier)
        self._smoothing = Smoothing(model, chosen, grid_step, seed, execution or Execution())
        self.model = model

    @property
    def classifier(self) -> str:
        """Which classifier: "network", "equation" or "interior"."""
        return self._smoothing.classifier

    @property
    def noise(self) -> Noise:
        """The noise that smooths it."""
        return self._smoothing.noise

    @property
    def execution(self) -> Execution:
        """How the model is run."""
        return self._smoothing.execution

    def settings(self, x: Float[Tensor, "batch *event"], **procedure: Any) -> CertificationSettings:
        """Return what a certification of inputs like x would be of; `procedure`: see `CertificationSettings`.

        The model is tried on the first input and on 8 noisy copies of it, together and alone (33 rows, at
        most `batch_size` at once). Errors: those of the class.
        """
        tried = self._smoothing.tried(check_inputs("x", x))
        return CertificationSettings(**{**tried, **procedure})

    def certify(
        self,
        x: Float[Tensor, "batch *event"],
        settings: CertificationSettings | None = None,
        *,
        y: Int64[Tensor, " batch"] | None = None,
        index: Int64[Tensor, " batch"] | None = None,
        table: Sequence[Mapping[str, Any]] | None = None,
    ) -> Iterator[Certificate]:
        """Yield one certificate an input, each as soon as it is complete, in whatever order that is.

        Guarantee: `heatproof.certification.guarantee(settings)`. Procedure: selection samples choose the
        class, fresh estimation samples bound its probability (Cohen et al. 2019) until the stopping rule of
        the settings has seen enough. `table` is the stored stopping table of a certification that is
        resumed. Cost: at most n₀ + n forward rows an input. Errors: those of the class, at the call;
        `InputError` too if `settings` (say, of a certification that is resumed) are not of this model,
        noise, seed and kind of input: a radius computed with one noise from draws with another would be
        worth nothing.
        """
        return (one for _, one in self.numbered(x, settings, y=y, index=index, table=table))

    def numbered(
        self,
        x: Float[Tensor, "batch *event"],
        settings: CertificationSettings | None = None,
        *,
        y: Int64[Tensor, " batch"] | None = None,
        index: Int64[Tensor, " batch"] | None = None,
        table: Sequence[Mapping[str, Any]] | None = None,
    ) -> Iterator[tuple[int, Certificate]]:
        """Do what `certify` does, and give with each certificate the row of its input in x."""
        check_inputs("x", x)
        keys = input_keys(x, index)
        agreed = self._agreed(x, settings)
        if y is not None:
            check_labels("y", y, count=len(x), classes=agreed.classes)
        rounding = self._smoothing.rounding(x)
        one_pass = self._smoothing.one_pass(x)
        soft = agreed.vote == "soft"
        state, sampled = self._smoothing.sample(
            x, keys, rule_of(agreed, table), agreed.classes, agreed.selection_samples, soft=soft
        )

        def made(one: Sampled) -> Certificate:
            return make_certificate(
                agreed,
                index=keys[one.position],
                selection_counts=one.selection,
                estimation_counts=one.estimation,
                looks=looks_of(agreed, state, one.position),
                rounding=float(rounding[one.position]),
                target=None if y is None else int(y[one.position]),
                one_pass=int(one_pass[one.position]),
            )

        return ((one.position, made(one)) for one in sampled)

    def try_under_noise(self, x: Tensor, y: Tensor | None = None, index: Tensor | None = None) -> UnderNoise:
        """Measure on a few noisy copies whether the model keeps its answers, and warn if it mostly does not.

        At most 64 inputs with 8 copies each, from a stream of their own: no certificate sees them.
        """
        found = self._smoothing.under_noise(x, y, input_keys(x, index))
        warn(found, self.noise.describe(), stacklevel=3)
        return found

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
        check_number("alpha", alpha, above=0, below=1)
        keys = input_keys(check_inputs("x", x), index)
        classes = self.settings(x).classes
        labels = torch.full((len(x),), ABSTAIN, dtype=torch.int64)
        _, sampled = self._smoothing.sample(x, keys, FixedRule(samples, alpha), classes, 0)
        for one in sampled:
            labels[one.position] = _majority(one.estimation, alpha)
        return labels

    def _agreed(self, x: Tensor, settings: CertificationSettings | None) -> CertificationSettings:
        """Return the settings, those of this predictor where none are given; refuse those of another."""
        own = self.settings(x)
        if settings is None:
            return own
        differ = [name for name in OF_THE_MODEL if getattr(own, name) != getattr(settings, name)]
        if differ:
            name = differ[0]
            got = f"{name} = {getattr(settings, name)!r}"
            advice = f"Also different: {', '.join(differ[1:])}." if len(differ) > 1 else ""
            text = message("settings", got, f"{getattr(own, name)!r}, that of this predictor", advice)
            raise InputError(text, name=name)
        return settings


def _majority(counts: np.ndarray, alpha: float) -> int:
    second, first = (int(k) for k in np.argsort(counts, kind="stable")[-2:])
    top, both = int(counts[first]), int(counts[first] + counts[second])
    p_value = min(1.0, 2.0 * float(bdtrc(top - 1, both, 0.5)))
    return first if p_value <= alpha else ABSTAIN
