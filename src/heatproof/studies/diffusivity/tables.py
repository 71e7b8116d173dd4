"""The tables of trained networks: one row a kind of noise, and one row a layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from heatproof._intervals import proportion
from heatproof.studies._study import StudyTable
from heatproof.studies.diffusivity.judging import Stored
from heatproof.studies.diffusivity.kinds import Kind

if TYPE_CHECKING:
    from heatproof.studies.diffusivity.study import Diffusivity

__all__ = ["Ends", "kinds_table", "layers_table", "over_trainings"]


@dataclass(frozen=True)
class Ends:
    """A mean over trainings, from the lowest to the highest end of their intervals."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def over_trainings(found: Sequence[Stored]) -> Ends:
    """Return the mean of estimates, and the hull of their intervals: no narrower than any of them."""
    mean = sum(float(one["value"]) for one in found) / len(found)
    return Ends(mean, min(float(one["low"]) for one in found), max(float(one["high"]) for one in found))


def kinds_table(study: Diffusivity, found: dict[Kind, list[Stored]], ends: str) -> StudyTable:
    """Return the table of kinds: strength, rank, accumulated diffusion, agreement, natural accuracy."""
    columns = (
        "noise",
        "setting",
        "mean tr A/d = ½ΣC/d",
        f"effective rank by layer, d = {study.width}",
        "agrees with formula",
        "natural accuracy",
    )
    note = (
        "½ΣC/d: the sum of ½·tr C/d over all layers, equal to the mean of tr A/d over layers as they take "
        "one unit of time together. By layer: least to largest mean of a layer. In brackets: "
        f"95 % {ends}. Natural accuracy: on all test inputs, noise off, which differs from training."
    )
    rows = tuple(_kind_row(study, kind, runs) for kind, runs in found.items())
    return StudyTable("Kinds of noise", columns, rows, note)


def layers_table(study: Diffusivity, found: dict[Kind, list[Stored]]) -> StudyTable:
    """Return the table of layers of the first training."""
    columns = (
        "noise",
        "layer",
        "tr A/d",
        "formula",
        "effective rank",
        "formula",
        "λ₁ / tr A",
        "½ΣC/d to here",
        "verdict",
    )
    rows = tuple(
        (kind.words, str(number), *_layer_cells(layer))
        for kind, runs in found.items()
        for number, layer in enumerate(runs[0]["measured"]["layers"], 1)
    )
    note = (
        f"The first training. {study.inputs} test inputs, {study.draws} draws each; in brackets: 95 % over "
        "inputs. The share of the largest eigenvalue λ₁ lies between its estimates from below and above."
    )
    return StudyTable("Layer by layer", columns, rows, note)


def _kind_row(study: Diffusivity, kind: Kind, runs: Sequence[Stored]) -> tuple[str, ...]:
    by_layer = list(zip(*(run["measured"]["layers"] for run in runs), strict=True))
    ranks = [over_trainings([layer["effective_rank"] for layer in same]) for same in by_layer]
    total = over_trainings([run["measured"]["layers"][-1]["accumulated"] for run in runs])
    layers = [layer for same in by_layer for layer in same]
    return (
        kind.words,
        kind.setting(study),
        str(total),
        _range(ranks),
        _agreement(layers) if kind.has_formula else "no formula",
        _accuracy(runs),
    )


def _range(layers: Iterable[Ends]) -> str:
    """Return "least … largest", with the hull of all intervals."""
    found = list(layers)
    low, high = min(one.low for one in found), max(one.high for one in found)
    values = [f"{one.value:.3g}" for one in sorted(found, key=lambda one: one.value)]
    said = values[0] if values[0] == values[-1] else f"{values[0]} … {values[-1]}"
    return f"{said} [{low:.3g}, {high:.3g}]"


def _agreement(layers: Sequence[Stored]) -> str:
    agree = sum(layer["formula"]["agrees"] for layer in layers)
    return f"{'yes' if agree == len(layers) else 'NO'}, {agree} of {len(layers)}"


def _accuracy(runs: Sequence[Stored]) -> str:
    shares = [proportion(run["correct"], run["answered"]) for run in runs]
    value = sum(one.value for one in shares) / len(shares)
    return f"{value:.1%} [{min(one.low for one in shares):.1%}, {max(one.high for one in shares):.1%}]"


def _layer_cells(layer: Stored) -> tuple[str, ...]:
    said = layer["formula"]
    trace = layer["mean_diffusivity"]["value"] * layer["dimension"]
    low, high = (min(1.0, layer[name][0] / trace) for name in ("held_out", "eigenvalues"))
    verdict = "measured" if said is None else "agrees" if said["agrees"] else "DIFFERS"
    return (
        str(over_trainings([layer["mean_diffusivity"]])),
        "–" if said is None else f"{said['mean_diffusivity']:.3g}",
        str(over_trainings([layer["effective_rank"]])),
        "–" if said is None else f"{said['effective_rank']:.3g}",
        f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} – {high:.0%}",
        f"{layer['accumulated']['value']:.3g}",
        verdict,
    )
