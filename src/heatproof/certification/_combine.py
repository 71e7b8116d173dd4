"""The better of two certifications of one and the same classifier; everything else may not be mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from heatproof._check import message
from heatproof.certification._record import ABSTAIN, Certificate
from heatproof.errors import InputError

__all__ = ["CombinedCertificate", "best_of"]


@dataclass(frozen=True)
class CombinedCertificate:
    """The larger of two radii at one input; `alpha` is the sum of the two."""

    index: int
    label: int
    radius: float
    norm: str
    alpha: float
    parts: tuple[Certificate, Certificate]


def best_of(first: Sequence[object], second: Sequence[object]) -> list[CombinedCertificate]:
    """Return, input by input, the better certificate of two samplings of the same classifier.

    A maximum of radii holds with probability 1 − (α₁ + α₂) (union bound) and only if both speak of the same
    classifier: the same network, kind, vote, noise, lattice and precision. Another noise is another
    classifier; so is the noise-free network of a Lipschitz margin. Where the two answer differently neither
    is taken: it abstains. Errors: `InputError` for another classifier, norm, input, the same seed twice, or
    for functions, whose identity cannot be told.
    """
    for name, given in (("first", first), ("second", second)):
        if not isinstance(given, Sequence) or isinstance(given, str | bytes):
            raise InputError(message(name, type(given).__name__, "what certify returns"), name=name)
    if len(first) != len(second):
        raise InputError(message("second", f"{len(second)} certificates", f"{len(first)}"), name="second")
    return [_better(one, two) for one, two in zip(first, second, strict=True)]


def _better(first: object, second: object) -> CombinedCertificate:
    one, two = _sampled(first), _sampled(second)
    _check_pair(one, two)
    labels = {each.label for each in (one, two) if not each.abstained}
    label = labels.pop() if len(labels) == 1 else ABSTAIN
    radius = 0.0 if label == ABSTAIN else max(one.radius, two.radius)
    alpha = one.settings.alpha + two.settings.alpha
    return CombinedCertificate(one.index, label, radius, one.settings.norm, alpha, (one, two))


def _sampled(one: object) -> Certificate:
    """Return a certificate by sampling; refuse any other."""
    if not isinstance(one, Certificate):
        got = f"a {type(one).__name__}"
        advice = "A margin or splitting certificate speaks of another classifier: report both."
        raise InputError(message("certificates", got, "certificates by sampling", advice), name="second")
    return one


def _check_pair(one: Certificate, two: Certificate) -> None:
    if not one.settings.same_classifier(two.settings):
        got = "certificates of two classifiers, or of functions"
        allowed = "one network (a module), noise, kind, vote, lattice and precision"
        raise InputError(
            message("certificates", got, allowed, "Report both; never the maximum."), name="second"
        )
    if one.index != two.index or one.settings.norm != two.settings.norm:
        got = f"input {one.index} in {one.settings.norm} and input {two.index} in {two.settings.norm}"
        raise InputError(message("certificates", got, "the same input and norm"), name="second")
    if one.settings.seed == two.settings.seed:
        advice = "Sample the second one with another seed."
        text = message("seed", f"{one.settings.seed} twice", "two different seeds", advice)
        raise InputError(text, name="seed")
