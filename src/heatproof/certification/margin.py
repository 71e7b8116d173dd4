"""The Lipschitz margin: a certificate of the network *without* noise, without sampling.

If the logits are Λ-Lipschitz in ℓ2, z_A − z_j is √2·Λ-Lipschitz for every j, so the label stays at every
point closer than (z_A − max_j z_j)/(√2·Λ) (Tsuzuku, Sato & Sugiyama 2018). Where the network ends with a
dense layer of rows w_j behind features that are Λ′-Lipschitz, z_A − z_j is ‖w_A − w_j‖·Λ′-Lipschitz, which is
never worse and exact for linear classifiers: min_j (z_A − z_j)/(‖w_A − w_j‖·Λ′).

This network is another classifier than any smoothed one: `strongest` refuses to mix their certificates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from heatproof._check import check_inputs, check_labels, check_number, check_whole, message
from heatproof._types import Classifier
from heatproof.certification._identity import fingerprint
from heatproof.certification._model import asked, check_rows, device_of, evaluating, not_finite, precision_of
from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import Bound, lipschitz_bound, product, split_head
from heatproof.noise.keyed import content_key

__all__ = ["MarginCertificate", "certify_margin", "strongest"]

_ROWS = 8
_DOWN = 1 - 2.0**-50


@final
@dataclass(frozen=True)
class MarginCertificate:
    """The network without noise answers `label` at every point closer than `radius` (ℓ2) to this input.

    No statement about the network with noise, whatever its kind. In real arithmetic, but for the last step:
    `margin` is z_A − z_B less half a unit in the last place of either, in the precision that the network
    computes in, and at least 0; the rounding of its operations before is not counted. `lipschitz` is the Λ
    that was used and `how` where it comes from; `vouched` says that the caller gave it, unproved. `correct`
    is None without a target. `index` is a hash of the input.
    """

    index: int
    label: int
    correct: bool | None
    radius: float
    margin: float
    lipschitz: float
    how: str
    vouched: bool
    dimension: int
    model_fingerprint: str

    classifier: ClassVar[str] = "network without noise"

    def radii(self) -> dict[str, float]:
        """Return the radius per norm: ℓ1: R, ℓ2: R, ℓ∞: R/√d."""
        return {"l1": self.radius, "l2": self.radius, "linf": self.radius / math.sqrt(self.dimension)}


def certify_margin(
    model: Classifier,
    x: Float[Tensor, "batch *event"],
    y: Int64[Tensor, " batch"] | None = None,
    *,
    lipschitz: float | None = None,
    batch_size: int = 2048,
) -> list[MarginCertificate]:
    """Certify the network without noise at each input by its margin and its Lipschitz constant.

    Guarantee: the network in evaluation mode, in real arithmetic, answers `label` at every point closer than
    `radius` to the input. It is deterministic: there is no alpha. It says nothing of smoothed classifiers.

    Args:
        model: (B, *event) → (B, K) logits; an `nn.Module` unless `lipschitz` is given. It is asked in its own
            precision, that of its first floating-point parameter; without one, and a function, in float32.
        x: inputs (B, *event), floating point, in the model's own units. Where they are finer than the
            model's precision it sees them rounded, and the radius is less by the distance.
        y: true labels (B,), if `correct` is wanted.
        lipschitz: Λ of the logits in ℓ2, a number > 0 that you vouch for; by default it is proved
            (`heatproof.lipschitz.lipschitz_bound`), and the last dense layer is used pair by pair.
        batch_size: rows a forward pass.

    Returns: one certificate an input, in order. Cost: the bound once, one forward row an input.
    Errors: `LipschitzError` that names the module without a proved bound; `ModelError`, `InputError`.
    """
    check_inputs("x", x)
    check_whole("batch_size", batch_size)
    if y is not None:
        check_labels("y", y, count=len(x))
    with evaluating(model):
        slopes = _slopes(model, tuple(x.shape[1:]), lipschitz)
        seen = x.detach().to(precision_of(model))
        logits = torch.cat([_logits(model, part) for part in seen.split(batch_size)])
        check_rows(model, x[:_ROWS].detach(), logits.shape[1])
    step = max(torch.finfo(kind).eps for kind in (logits.dtype, precision_of(model)))
    logits = logits.double()
    labels = logits.argmax(dim=1)
    radii, margins = _radii(logits, labels, slopes, step / 2)
    radii = (radii - _moved(x.detach(), seen)).clamp_min(0.0)
    mark = fingerprint(model)
    return [
        MarginCertificate(
            index=content_key(x[i]),
            label=int(labels[i]),
            correct=None if y is None else bool(labels[i] == y[i]),
            radius=float(radii[i]),
            margin=float(margins[i]),
            lipschitz=slopes.bound.value,
            how=slopes.bound.how,
            vouched=lipschitz is not None,
            dimension=x[0].numel(),
            model_fingerprint=mark,
        )
        for i in range(len(x))
    ]


def strongest(*certificates: object) -> MarginCertificate:
    """Return the certificate with the largest radius among those of one network without noise at one input.

    Errors: `InputError` for certificates of different classifiers, whose radii must never be mixed: a
    smoothed network and the network without noise may disagree, and each radius speaks of its own.
    """
    kinds = {getattr(one, "classifier", type(one).__name__) for one in certificates}
    mine = [one for one in certificates if isinstance(one, MarginCertificate)]
    places = {(one.model_fingerprint, one.index) for one in mine}
    if len(mine) < len(certificates) or len(places) != 1 or mine[0].model_fingerprint == "":
        what = ", ".join(sorted(map(str, kinds))) or "nothing"
        got = f"certificates of: {what} ({len(places)} pairs of network and input)"
        allowed = "certificates of the same network without noise at the same input"
        advice = "Report radii of different classifiers side by side, never their maximum."
        raise InputError(message("certificates", got, allowed, advice), name="certificates")
    return max(mine, key=lambda one: one.radius)


def _logits(model: Classifier, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch K"]:
    """Return the logits on the CPU, in the precision that the model gives them in, for inputs as they are."""
    device = device_of(model)
    logits = asked(lambda _: model(x.to(device)), x, device, None)
    if not bool(torch.isfinite(logits).all()):
        raise not_finite(len(x), None)
    return logits.cpu().clone()  # a model may write each answer in one place


def _moved(
    x: Float[Tensor, "batch *event"], seen: Float[Tensor, "batch *event"]
) -> Float64[Tensor, " batch"]:
    """Return at least ‖x − seen‖₂ of each input."""
    off = (x.double() - seen.double()).flatten(1).cpu()
    distance: Tensor = off.norm(dim=1) * (1 + (off.shape[1] + 4) * 2.0**-52)
    return distance


@dataclass(frozen=True)
class _Slopes:
    """Λ of the logits; and Λ′ and rows (K, features) of a last dense layer, where there is one."""

    bound: Bound
    features: float = 0.0
    rows: Float64[Tensor, "K features"] | None = None


def _slopes(model: Classifier, event_shape: tuple[int, ...], lipschitz: float | None) -> _Slopes:
    if lipschitz is not None:
        value = check_number("lipschitz", lipschitz, above=0)
        return _Slopes(Bound(value, "given by the caller, not proved", event_shape))
    if not isinstance(model, nn.Module):
        advice = "Hand in the nn.Module itself, or a number `lipschitz` that you vouch for."
        text = message("model", f"a {type(model).__name__}", "an nn.Module made of known layers", advice)
        raise LipschitzError(text, name="model")
    split = split_head(model)
    if split is None:
        return _Slopes(lipschitz_bound(model, event_shape))
    before, head = split
    features = lipschitz_bound(nn.Sequential(*before), event_shape)
    whole = product([features, lipschitz_bound(head, features.event_shape)])
    return _Slopes(whole, features.value, head.weight.detach().double().cpu())


def _radii(
    logits: Float64[Tensor, "batch K"], labels: Int64[Tensor, " batch"], slopes: _Slopes, roundoff: float
) -> tuple[Float64[Tensor, " batch"], Float64[Tensor, " batch"]]:
    """Return radii and margins, from Λ and, where it is larger, pair by pair.

    Each logit is taken to be off by `roundoff` of itself, the rounding that even a perfect one suffers.
    """
    top = logits.gather(1, labels[:, None])
    gaps = top - logits - roundoff * (1 + 2.0**-20) * (top.abs() + logits.abs())
    gaps = gaps.scatter(1, labels[:, None], math.inf)
    margins = gaps.amin(dim=1).clamp_min(0.0)
    radii = margins / (math.sqrt(2.0) * slopes.bound.value)
    if slopes.rows is not None:
        lengths = torch.stack([_lengths(slopes.rows, int(label)) for label in labels.unique()])
        place = torch.searchsorted(labels.unique(), labels)
        radii = torch.maximum(radii, (gaps / (lengths[place] * slopes.features)).amin(dim=1))
    return torch.where(margins > 0, radii, 0.0) * _DOWN, margins


def _lengths(rows: Float64[Tensor, "K features"], label: int) -> Float64[Tensor, " K"]:
    """Return upper bounds of ‖w_label − w_j‖ for each j."""
    size = rows.shape[1]
    allowance = (rows[label].norm() + rows.norm(dim=1)) * 2.0**-52
    apart: Tensor = (rows[label] - rows).norm(dim=1) * (1 + size * 2.0**-52) + allowance
    return apart
