"""What a measurement of effective diffusivity says, as plain data and as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from heatproof.theory.effective_diffusivity._estimate import Estimate

__all__ = ["EffectiveDiffusivity", "FormulaComparison", "LayerDiffusivity"]


@dataclass(frozen=True)
class FormulaComparison:
    """A layer's formula at the same states, beside what was measured.

    `difference` is tr A/d measured minus formula; `squared_distance` is ‖C − C_formula‖²/‖C_formula‖²
    (Frobenius norms, sums over inputs), without bias, hence negative half of the time where the formula is
    right. `agrees`: the first interval holds 0, and the second does not lie above 0, rounding (10⁻⁵) left
    out. Their levels are such that a right formula anywhere in the table is said to differ with probability
    10⁻³, as far as Student's intervals hold their level: they do not where few draws feel the noise (a
    survival q takes many more than 1/(1 − q)). A wrong one may agree where inputs or draws are few.
    """

    mean_diffusivity: float
    effective_rank: float | None
    eigenvalues: tuple[float, ...]
    difference: Estimate
    squared_distance: Estimate | None
    agrees: bool


@dataclass(frozen=True)
class LayerDiffusivity:
    """The diffusion A = C/(2Δt) of one layer, over the states of all inputs.

    `mean_diffusivity` is tr A/d; `effective_rank` (E (tr A)²)/(E tr A²), from 1 (one direction) to d
    (isotropic), None without noise; `accumulated` the sum of ½·tr C/d over the layers up to this one, which
    no Δt changes. `eigenvalues` are those of A, largest first, biased upwards in their sums from the first
    on; `held_out` is biased downwards. `dimension` is that of the output; where the layer changes the shape
    (`keeps_shape` False), A is the diffusion of the output only. `noisy` is False where all draws are equal
    up to rounding.
    """

    name: str
    kind: str
    dimension: int
    keeps_shape: bool
    noisy: bool
    mean_diffusivity: Estimate
    effective_rank: Estimate | None
    accumulated: Estimate
    eigenvalues: tuple[float, ...]
    held_out: tuple[float, ...]
    formula: FormulaComparison | None

    @property
    def isotropy(self) -> float | None:
        """Effective rank / dimension: 1 for isotropic noise."""
        return None if self.effective_rank is None else self.effective_rank.value / self.dimension


@dataclass(frozen=True)
class EffectiveDiffusivity:
    """The noise of a network as a diffusion, layer by layer in the order of the forward pass.

    `block_time` is Δt; intervals are over inputs, at `confidence` for each number on its own. `left_out` are
    modules that make noise and were not measured, each with the reason.
    """

    layers: tuple[LayerDiffusivity, ...]
    left_out: tuple[str, ...]
    inputs: int
    draws: int
    block_time: float
    confidence: float
    mode: str
    seed: int

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as dictionaries, lists and numbers that JSON holds."""
        return asdict(self)

    def layer_rows(self) -> list[dict[str, Any]]:
        """Return one row a layer and quantity, for a chart: layer, quantity, value, low, high, formula."""
        rows = []
        for layer in self.layers:
            said = layer.formula
            for quantity, estimate, formula in (
                ("tr A/d", layer.mean_diffusivity, None if said is None else said.mean_diffusivity),
                ("effective rank", layer.effective_rank, None if said is None else said.effective_rank),
                ("½ΣC", layer.accumulated, None),
            ):
                if estimate is not None:
                    row = {"layer": layer.name, "quantity": quantity, **asdict(estimate), "formula": formula}
                    rows.append(row)
        return rows

    def spectrum_rows(self) -> list[dict[str, Any]]:
        """Return one row an eigenvalue, for a chart: layer, number from 1, source, eigenvalue.

        `source` is `all draws` (biased upwards), `held out` (downwards) or `formula`.
        """
        return [
            {"layer": layer.name, "number": number, "source": source, "eigenvalue": value}
            for layer in self.layers
            for source, values in (
                ("all draws", layer.eigenvalues),
                ("held out", layer.held_out),
                ("formula", () if layer.formula is None else layer.formula.eigenvalues),
            )
            for number, value in enumerate(values, 1)
        ]

    def table(self) -> str:
        """Return the table in words, one line a layer."""
        lines = [_HEAD, *(_cells(layer) for layer in self.layers)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
        text = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
        ]
        return "\n".join([*(line.rstrip() for line in text), *self._notes()])

    def __str__(self) -> str:
        return self.table()

    def _notes(self) -> list[str]:
        first = (
            f"{self.inputs} inputs, {self.draws} draws each, Δt = {self.block_time:g}, noise as in "
            f"{self.mode} mode; {self.confidence:.0%} intervals over inputs."
        )
        quiet = [layer.name for layer in self.layers if not layer.noisy]
        found = [f"No noise in {self.mode} mode: {', '.join(quiet)}."] if quiet else []
        return [first, *found, *(f"Not measured: {one}." for one in self.left_out)]


_HEAD = (
    "layer",
    "kind",
    "d",
    "tr A/d",
    "formula",
    "effective rank",
    "formula",
    "½ΣC to here",
    "largest share",
    "verdict",
)


def _cells(layer: LayerDiffusivity) -> tuple[str, ...]:
    said, rank = layer.formula, layer.effective_rank
    return (
        layer.name,
        layer.kind,
        str(layer.dimension),
        str(layer.mean_diffusivity),
        "–" if said is None else f"{said.mean_diffusivity:.3g}",
        "–" if rank is None else str(rank),
        "–" if said is None or said.effective_rank is None else f"{said.effective_rank:.3g}",
        str(layer.accumulated),
        _share(layer),
        _verdict(layer),
    )


def _share(layer: LayerDiffusivity) -> str:
    """Say between what the largest eigenvalue's share of tr A is."""
    trace = layer.mean_diffusivity.value * layer.dimension
    if trace <= 0:
        return "–"
    return f"{min(1.0, layer.held_out[0] / trace):.0%}–{min(1.0, layer.eigenvalues[0] / trace):.0%}"


def _verdict(layer: LayerDiffusivity) -> str:
    if not layer.noisy:
        return "no noise"
    if layer.formula is None:
        return "measured"
    return "agrees with the formula" if layer.formula.agrees else "differs from the formula"
