"""From run folders to what the page shows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

import heatproof
from heatproof._check import message
from heatproof._intervals import Interval, proportion
from heatproof.certification import (
    Certificate,
    CertificateStore,
    CertificationSettings,
    fingerprint,
    guarantee,
)
from heatproof.certification._norms import norm_factor
from heatproof.data import DataSet
from heatproof.errors import InputError
from heatproof.report.cells import format_norm
from heatproof.report.contents import (
    CertifiedInput,
    CurvePoint,
    DecisionField,
    GalleryImage,
    ReportContents,
    RobustPoint,
    RunContents,
)
from heatproof.runs.attack import read_attacks
from heatproof.runs.certify import main_certification
from heatproof.runs.diagnosis import diagnosis_notes
from heatproof.runs.folder import RunFolder
from heatproof.runs.metrics import read_metrics
from heatproof.runs.notes import certification_notes, classifier_words

__all__ = ["check_same_data", "collect"]

_GALLERY = 24
_FIELD = 120


@dataclass(frozen=True)
class _Attack:
    """One attack in one norm at one radius: the inputs it covers, and those of them it breaks."""

    norm: str
    radius: float
    name: str
    inputs: frozenset[int]
    broken: frozenset[int]


@dataclass(frozen=True)
class _Attacked:
    """One split, the largest attacked set of its inputs, and the attacks that cover all of it (`kept`)."""

    split: str
    inputs: frozenset[int]
    right: frozenset[int]
    kept: tuple[_Attack, ...]
    left: tuple[_Attack, ...]
    others: tuple[str, ...]

    @property
    def places(self) -> tuple[tuple[str, float], ...]:
        """Each (norm, radius) with an attack on all inputs."""
        return tuple(sorted({(attack.norm, attack.radius) for attack in self.kept}))


def collect(
    runs: Sequence[tuple[RunFolder, nn.Module]], data: DataSet, title: str = "heatproof report"
) -> ReportContents:
    """Gather everything measured of these runs, which must share one data set.

    Errors: `InputError` for no runs or runs on different data.
    """
    check_same_data([folder for folder, _ in runs])
    found = tuple(_run(folder, model, data) for folder, model in runs)
    configured = {radius for folder, _ in runs for radius in folder.config.certify.radii}
    radii = sorted(configured.union(*(run.decided for run in found)))
    return ReportContents(
        title=title,
        data=f"{data.name}: {data.source}",
        class_names=data.class_names,
        radii=tuple(radii),
        runs=found,
        made_by=f"heatproof {heatproof.__version__}",
    )


def check_same_data(folders: Sequence[RunFolder]) -> None:
    """Raise `InputError` for no runs, one run twice, or runs on different data; looks at `run.json` only."""
    allowed = "one or more runs on the same data set"
    if len({folder.state.data.fingerprint for folder in folders}) != 1:
        words = sorted({_data_words(folder) for folder in folders})
        got = f"different data ({', '.join(words)})" if folders else "no runs"
        raise InputError(message("runs", got, allowed, "Write one page for each data set."), name="runs")
    places = [folder.path.resolve() for folder in folders]
    twice = next((place for number, place in enumerate(places) if place in places[:number]), None)
    if twice is not None:
        raise InputError(message("runs", f"{twice.name} twice", allowed, "Name each once."), name="runs")


def _data_words(folder: RunFolder) -> str:
    settings = folder.config.data
    size = "" if settings.size is None else f", size {settings.size}"
    return f"{settings.name} with seed {settings.seed}{size}"


def _run(folder: RunFolder, model: nn.Module, data: DataSet) -> RunContents:
    config, state = folder.config, folder.state
    newest = main_certification(folder, fingerprint(model))
    certificates = newest[1] if newest else []
    settings = newest[0].settings if newest else None
    attacked = _attacked(read_attacks(folder))
    times = dict(state.seconds)
    if newest:
        times["certify"] = newest[0].seconds
    return RunContents(
        name=config.name,
        folder=str(folder.path),
        objective=config.objective.name,
        config_yaml=config.to_yaml(),
        environment={**state.environment, "seed": str(config.seed)},
        natural=_natural(attacked, model, data),
        robust=_robust(attacked),
        certified=tuple(_certified(one) for one in certificates),
        noise_std=settings.noise.scale if settings else None,
        classifier=classifier_words(settings) if settings else "",
        guarantee=guarantee(settings) if settings else "",
        curves=tuple(_point(one.epoch, one.values) for one in read_metrics(folder)),
        seconds=times,
        decision_field=_field(model, data) if data.is_planar else None,
        gallery=_gallery(certificates, data) if data.is_image else (),
        notes=(
            *diagnosis_notes(folder),
            *_attack_notes(attacked),
            *certification_notes(state.challenge, newest, _others(folder)),
        ),
        decided=_decided(settings) if settings else (),
    )


def _others(folder: RunFolder) -> int:
    """Return how many certifications there are beside the one that is shown."""
    if not folder.certificates.is_file():
        return 0
    with CertificateStore(folder.certificates, read_only=True) as store:
        return max(0, len(store.certifications()) - 1)


def _decided(settings: CertificationSettings) -> tuple[float, ...]:
    """Return the ℓ2 radii of a decision (given in another norm, they are what follows from it)."""
    factor = norm_factor(settings.noise, "l2", settings.dimension) / settings.factor
    same = settings.norm == "l2"
    return tuple(radius if same else radius * factor for radius in settings.radii)


def _attacked(rows: Sequence[dict[str, Any]]) -> _Attacked | None:
    """Choose the split and the input set; None for no rows. The choice does not hang on the order of rows."""
    splits = sorted({row["split"] for row in rows})
    found = {split: [row for row in rows if row["split"] == split] for split in splits}
    if not found:
        return None
    split = "test" if "test" in found else max(found, key=lambda name: len(_inputs(found[name])))
    attacks = _attacks(found[split])
    sets = sorted({attack.inputs for attack in attacks}, key=sorted)
    inputs = max(sets, key=lambda one: (len(one), sum(one <= attack.inputs for attack in attacks)))
    right = inputs - _inputs(row for row in found[split] if not row["natural_correct"])
    kept = tuple(attack for attack in attacks if inputs <= attack.inputs)
    left = tuple(attack for attack in attacks if not inputs <= attack.inputs)
    return _Attacked(split, inputs, right, kept, left, tuple(other for other in splits if other != split))


def _attacks(rows: Sequence[dict[str, Any]]) -> list[_Attack]:
    groups: dict[tuple[str, float, str, int], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["norm"], row["radius"], row["attack"], row["seed"]), []).append(row)
    return [
        _Attack(norm, radius, name, _inputs(members), _inputs(row for row in members if row["success"]))
        for (norm, radius, name, _), members in sorted(groups.items())
    ]


def _inputs(rows: Iterable[dict[str, Any]]) -> frozenset[int]:
    return frozenset(row["input"] for row in rows)


def _natural(attacked: _Attacked | None, model: nn.Module, data: DataSet) -> Interval:
    """Return the one-pass accuracy on the attacked inputs, so that the two compare; else on test."""
    if attacked:
        return proportion(len(attacked.right), len(attacked.inputs))
    parts = zip(data.test.x.split(1_000), data.test.y.split(1_000), strict=True)
    with torch.no_grad():
        right = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in parts)
    return proportion(right, len(data.test.y))


def _robust(attacked: _Attacked | None) -> tuple[RobustPoint, ...]:
    """Return robust accuracy at each (norm, radius) of the kept attacks, combined input by input.

    A break at one radius is a break at every larger one, as the smaller ball lies in the larger.
    """
    return tuple(_robust_point(attacked, *place) for place in attacked.places) if attacked else ()


def _robust_point(attacked: _Attacked, norm: str, radius: float) -> RobustPoint:
    inside = [attack for attack in attacked.kept if attack.norm == norm and attack.radius <= radius]
    held = attacked.right.difference(*(attack.broken for attack in inside))
    names = "; ".join(sorted({attack.name for attack in inside}))
    return RobustPoint(norm, radius, proportion(len(held), len(attacked.inputs)), names)


def _attack_notes(attacked: _Attacked | None) -> tuple[str, ...]:
    """Return on which inputs the accuracies are, how attacks combine, and which ones do not count."""
    if attacked is None:
        return ()
    on = f"Natural and robust accuracy: on {len(attacked.inputs)} {attacked.split} inputs. "
    how = "Robust at a radius: correct, and broken by no attack in that norm at that radius or a smaller one."
    left = (f"Left out: {_left_words(attack, attacked)}" for attack in attacked.left)
    return (on + how, *left, *(f"Left out: attacks on the {split} split." for split in attacked.others))


def _left_words(attack: _Attack, attacked: _Attacked) -> str:
    covered, count = len(attack.inputs & attacked.inputs), len(attacked.inputs)
    shown = (attack.norm, attack.radius) in attacked.places
    end = "" if shown else " No attack there covers all of them, so nothing is shown there."
    place = f"{format_norm(attack.norm)} radius {attack.radius:g}"
    return f"{attack.name}, at {place}, as it covers {covered} of these {count} inputs.{end}"


def _certified(certificate: Certificate) -> CertifiedInput:
    return CertifiedInput(
        index=certificate.index,
        label=certificate.label,
        target=-2 if certificate.target is None else certificate.target,
        abstained=certificate.abstained,
        radius=certificate.radii["l2"],
        agrees=certificate.one_pass == certificate.candidate,
    )


def _field(model: nn.Module, data: DataSet) -> DecisionField:
    low, high = data.train.x.amin(dim=0), data.train.x.amax(dim=0)
    margin = 0.1 * (high - low)
    across = torch.linspace(float(low[0] - margin[0]), float(high[0] + margin[0]), _FIELD)
    up = torch.linspace(float(low[1] - margin[1]), float(high[1] + margin[1]), _FIELD)
    points = torch.stack(torch.meshgrid(across, up, indexing="xy"), dim=-1)  # (height, width, 2)
    with torch.no_grad():
        probabilities = model(points.reshape(-1, 2)).softmax(dim=1)
    return DecisionField(
        horizontal=across.numpy(),
        vertical=up.numpy(),
        probabilities=probabilities.reshape(_FIELD, _FIELD, -1).numpy(),
        points=data.train.x.numpy(),
        labels=data.train.y.numpy(),
    )


def _gallery(certificates: Sequence[Certificate], data: DataSet) -> tuple[GalleryImage, ...]:
    places: dict[int, torch.Tensor] = {}
    for split in (data.test, data.validation, data.train):
        places |= {int(index): x for index, x in zip(split.index, split.x, strict=True)}
    low, high = data.input_range or (float(data.train.x.min()), float(data.train.x.max()))
    scale = 255.0 / (high - low) if high > low else 0.0
    images = []
    for certificate in certificates[:_GALLERY]:
        scaled = (places[certificate.index] - low) * scale
        pixels = scaled.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
        images.append(_image(certificate, np.ascontiguousarray(pixels), data.class_names))
    return tuple(images)


def _image(certificate: Certificate, pixels: np.ndarray, class_names: Sequence[str]) -> GalleryImage:
    target = "" if certificate.target is None else class_names[certificate.target]
    return GalleryImage(
        index=certificate.index,
        pixels=pixels,
        target=target,
        label=class_names[certificate.candidate],
        abstained=certificate.abstained,
        radius=certificate.radii["l2"],
    )


def _point(epoch: int, values: dict[str, float]) -> CurvePoint:
    return CurvePoint(epoch, {name: value for name, value in values.items() if math.isfinite(value)})
