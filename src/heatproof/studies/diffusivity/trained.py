"""Trained networks: every noisy layer measured along test inputs, with right and wrong formulas beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from heatproof._types import Progress
from heatproof.data import load
from heatproof.networks import NoiseLayer
from heatproof.report._style import Chart
from heatproof.studies._study import Cell, Results, Section, Summary
from heatproof.studies._verdict import Verdict
from heatproof.studies.diffusivity.charts import layer_chart, spectrum_chart
from heatproof.studies.diffusivity.judging import LEVEL, Stored, agreement, isotropic, said_of_isotropy
from heatproof.studies.diffusivity.kinds import KINDS, Kind
from heatproof.studies.diffusivity.misstated import FORMS
from heatproof.studies.diffusivity.networks import correct, middle, trained
from heatproof.studies.diffusivity.tables import kinds_table, layers_table
from heatproof.theory import EffectiveDiffusivity, measure_diffusivity

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["cells", "summarise", "trainings_of"]


def cells(study: Diffusivity) -> Iterator[Cell]:
    """Yield a cell for each training of each kind of noise."""
    for number in range(study.trainings):
        for kind in KINDS:
            yield Cell(_key(kind, number), partial(_measured, study, kind, number))


def trainings_of(study: Diffusivity, kind: Kind, results: Results) -> list[Stored]:
    """Return the results of all trainings of one kind."""
    return [results[_key(kind, number)] for number in range(study.trainings)]


def summarise(study: Diffusivity, results: Results) -> Summary:
    """Return agreement and isotropy, a verdict for each kind, the tables, and the figures."""
    found = {kind: trainings_of(study, kind, results) for kind in KINDS}
    verdicts = [_agrees(study, kind, runs) for kind, runs in found.items() if kind.has_formula]
    verdicts += [_isotropic(study, kind, runs) for kind, runs in found.items()]
    return Summary(tuple(verdicts), (_section(study, found),))


def _section(study: Diffusivity, found: dict[Kind, list[Stored]]) -> Section:
    ends = "over the inputs"
    if study.trainings > 1:
        ends += f", from the lowest to the highest end over {study.trainings} trainings"
    return Section(
        "Trained networks: what their noise amounts to",
        "A = C/(2Δt), C the covariance of one noisy step at a state that the network reaches without noise "
        f"from a test input; Δt = 1/{study.depth}. Effective rank: (tr A)²/tr A², from 1, one direction, to "
        f"d = {study.width}, isotropic. Settings are not tuned to give all kinds the same strength. The last "
        "kind is a network of plain PyTorch, whose blocks state no formula: it is measured all the same, but "
        "compared with nothing.",
        (kinds_table(study, found, ends), layers_table(study, found)),
        _figures(study, found, ends),
    )


def _figures(study: Diffusivity, found: dict[Kind, list[Stored]], ends: str) -> tuple[Chart, ...]:
    return (
        layer_chart(
            study,
            found,
            "mean_diffusivity",
            title="Strength: tr A/d, layer by layer",
            caption="Mean over inputs and trainings, on a logarithmic axis; kinds stand side by side. "
            f"Bars: 95 % {ends}.",
            upright="tr A/d",
        ),
        layer_chart(
            study,
            found,
            "effective_rank",
            title="Isotropy: effective rank over d, layer by layer",
            caption="1 is isotropic noise, as the theory assumes; 1/d is noise along one direction. "
            f"Logarithmic axis. Bars: 95 % {ends}.",
            upright="effective rank / d",
        ),
        layer_chart(
            study,
            found,
            "accumulated",
            title="Accumulated: ½ΣC/d up to each layer",
            caption=f"What the layers so far add to ∫A dt, which no choice of Δt changes. Bars: 95 % {ends}.",
            upright="½ΣC/d",
        ),
        spectrum_chart(study, found),
    )


def _agrees(study: Diffusivity, kind: Kind, runs: list[Stored]) -> Verdict:
    layers = _layers(runs)
    shares = [_relative(layer["formula"]) for layer in layers]
    return agreement(
        f"{kind.title}: the measured C is that of the formula, in every layer",
        [layer["formula"] for layer in layers],
        evidence=f"{_evidence(study)}; tr A/d is off by at most {max(shares):.1%}; intervals such that a "
        f"right formula is refuted with probability {LEVEL:g} a training",
    )


def _isotropic(study: Diffusivity, kind: Kind, runs: list[Stored]) -> Verdict:
    layers = _layers(runs)
    ranks = [layer["effective_rank"]["value"] for layer in layers]
    return isotropic(
        f"{kind.title}: the induced diffusion is isotropic, in every layer",
        layers,
        study.inputs,
        evidence=f"{_evidence(study)}; effective rank {_range(ranks)} of {study.width}; all "
        f" layers at once at level {LEVEL:g}",
        expected=said_of_isotropy(layers),
    )


def _evidence(study: Diffusivity) -> str:
    trainings = f"{study.trainings} training{'s' if study.trainings > 1 else ''}"
    return f"{trainings} of {study.depth} layers, {study.inputs} test inputs, {study.draws} draws each"


def _layers(runs: list[Stored]) -> list[Stored]:
    return [layer for run in runs for layer in run["measured"]["layers"]]


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


def _relative(formula: Stored) -> float:
    return abs(float(formula["difference"]["value"])) / float(formula["mean_diffusivity"])


def _key(kind: Kind, number: int) -> str:
    return f"noise.{kind.key}.training={number}"


def _measured(study: Diffusivity, kind: Kind, number: int, progress: Progress) -> dict[str, Any]:
    """Return natural accuracy without noise, the measurement, and the middle layer with wrong formulas."""
    data = load("digits")
    progress(0, 3, "training")
    network = trained(study, kind, data, study.seed + number)
    x = data.test.x[: study.inputs]
    progress(1, 3, "measuring")
    measured = _measurement(study, network, x)
    progress(2, 3, "wrong formulas")
    return {
        "correct": correct(network, data.test),
        "answered": len(data.test.y),
        "measured": measured.to_mapping(),
        "wrong": _with_wrong_forms(study, kind, network, x),
    }


def _measurement(
    study: Diffusivity, network: nn.Module, x: Tensor, layers: tuple[str, ...] | None = None
) -> EffectiveDiffusivity:
    return measure_diffusivity(
        network,
        x,
        layers=layers,
        draws=study.draws,
        block_time=1 / study.depth,
        eigenvalues=study.width,
        seed=study.seed,
    )


def _with_wrong_forms(study: Diffusivity, kind: Kind, network: nn.Sequential, x: Tensor) -> dict[str, Any]:
    """Return how the middle layer compares with each wrong formula: same states, same draws."""
    place, modules = middle(study), list(network)
    found = {}
    for form in FORMS:
        if kind.key in form.kinds:
            layer = form.layer(study, kind, cast("NoiseLayer", modules[place]))
            changed = nn.Sequential(*modules[:place], layer, *modules[place + 1 :])
            measured = _measurement(study, changed, x, (str(place),)).layers[0]
            found[form.key] = None if measured.formula is None else asdict(measured.formula)
    return found
