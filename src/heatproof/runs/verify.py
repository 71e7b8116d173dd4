"""Verify a certified run: what its store says against itself, the data, the network and noise drawn again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from heatproof._check import check_whole
from heatproof.certification import (
    CertificationSettings,
    Verification,
    fingerprint,
)
from heatproof.certification._model import checked_logits, device_of, evaluating
from heatproof.certification._rules import rule_of, stopping_table
from heatproof.certification._stored import inputs_digest
from heatproof.certification.checking.verify import UNREADABLE, read_store, verify_rows
from heatproof.data import DataSet, Split
from heatproof.errors import HeatproofError, InputError
from heatproof.noise import Lattice
from heatproof.runs.folder import RunFolder
from heatproof.runs.redraw import Redraw

__all__ = ["verify_run"]

_BATCH = 2048
_TIE = 1e-4


@dataclass(frozen=True)
class _Certified:
    """One certification: its readable settings, rows and stopping table, and the split row of each input."""

    where: str
    settings: CertificationSettings
    plan: list[int]
    rows: list[dict[str, Any]]
    split: Split
    places: dict[int, int]
    table: list[dict[str, Any]]
    digest: str

    @property
    def planned(self) -> Tensor:
        """All planned inputs x, in order."""
        return self.split.x[[self.places[index] for index in self.plan]]

    def inputs(self, rows: list[dict[str, Any]]) -> Tensor:
        """Return the inputs x of some rows."""
        return self.split.x[[self.places[row["input"]] for row in rows]]


def verify_run(
    folder: RunFolder, model: nn.Module, data: DataSet, *, redraw: int = 2, fresh: int | None = None
) -> Verification:
    """Check every stored certificate against itself, the data and the network; draw some noise again.

    All rows: what `verify_store` recomputes, with the fingerprint of the model; the stopping table against
    that of the settings; the inputs against their digest; dimension, classes and grid_step against the data;
    each planned input against its split; target against the label; rounding, recomputed from x; one_pass
    against a forward pass (another class only within 10⁻⁴ of the top logit); noise_std of an equation
    against the objective. `redraw` inputs of each certification, spread over it, are sampled again with the
    same seed; each count may differ by 2 votes or 0.1 % of n, where that is more, as ties of floating point
    fall differently in other batches. With `fresh`, a seed, the inputs are a random choice and get new noise
    instead: an answered certificate is a mismatch if its p_lower is refuted at level 10⁻⁶ (a false one,
    which alpha allows, may rightly be). Where the model is another, nothing is compared with it.

    Not checked: counts that were not drawn again, and whether inputs are missing that were cut out together
    with their place in the plan. Cost: a forward pass an input, and n + n₀ of them an input drawn again.
    Errors: those of `verify_store`; `InputError` for a negative `redraw` or seed; `ModelError`.
    """
    again = Redraw(model, data, check_whole("redraw", redraw, at_least=0), fresh)
    weights = fingerprint(model)
    certifications, certificates = read_store(folder.certificates)
    result = verify_rows(certifications, certificates, weights)
    mismatches, redrawn = list(result.mismatches), 0
    for one in certifications:
        rows = [row for row in certificates if row["certification"] == one["id"]]
        try:
            certified = _read(one, rows, data)
        except (*UNREADABLE, HeatproofError) as error:
            text = " ".join(str(error).split())[:200]
            mismatches.append(f"certification {one['id']}: not settings and plan of this data ({text})")
            continue
        mismatches += _against_run(certified, folder, model, data)
        mismatches += _against_rule(certified)
        mismatches += _against_data(certified)
        if certified.settings.model_fingerprint == weights:
            mismatches += _against_network(certified, model)
            drawn, faults = again.check(
                certified.settings, certified.where, _known(certified), certified.inputs, certified.table
            )
            mismatches += faults
            redrawn += drawn
    return replace(result, mismatches=tuple(mismatches), redrawn=redrawn)


def _read(one: dict[str, Any], rows: list[dict[str, Any]], data: DataSet) -> _Certified:
    settings = CertificationSettings.from_mapping(json.loads(one["settings"]))
    plan = json.loads(one["plan"])
    if plan["split"] not in {"train", "validation", "test"}:
        raise ValueError(f"split {plan['split']!r}")
    split: Split = getattr(data, plan["split"])
    places = {int(index): place for place, index in enumerate(split.index)}
    table = json.loads(one["boundaries"])
    where, index = f"certification {one['id']}", list(plan["index"])
    return _Certified(where, settings, index, rows, split, places, table, plan["digest"])


def _known(certified: _Certified) -> list[dict[str, Any]]:
    """Return the rows whose input is in the data, in the order of the inputs."""
    known = [row for row in certified.rows if row["input"] in certified.places]
    return sorted(known, key=lambda row: int(row["input"]))


def _against_run(certified: _Certified, folder: RunFolder, model: nn.Module, data: DataSet) -> Iterator[str]:
    """Yield settings that are not those of this data, network and objective; inputs that are not there."""
    settings, where = certified.settings, certified.where
    step = data.grid_step
    step = Lattice.for_noise(settings.noise, step).grid_step  # none where the noise has a lattice of its own
    expected = {"dimension": data.dimension, "classes": data.classes, "grid_step": step}
    for name, value in expected.items():
        if getattr(settings, name) != value:
            yield f"{where}: {name} is {getattr(settings, name)!r}, that of the data is {value!r}"
    absent = [index for index in certified.plan if index not in certified.places]
    if absent:
        yield f"{where}: {len(absent)} planned inputs are not in their split, the first is {absent[0]!r}"
    elif inputs_digest(certified.planned) != certified.digest:
        yield f"{where}: the inputs are not those that it was made of (their digests differ)"
    if settings.classifier != "equation":
        return
    if not getattr(model, "time_conditioned", False):
        yield f"{where}: classifier is 'equation', but the network knows no time"
    own = folder.config.objective.equation_noise_std
    found = getattr(settings.noise, "noise_std", math.nan)
    if own is not None and not math.isclose(found, own, rel_tol=1e-6):
        yield f"{where}: noise_std is {found!r}, that of the equation is {own!r}"


def _against_rule(certified: _Certified) -> Iterator[str]:
    """Yield a stopping table that is not the one of these settings: it must be fixed before the draws."""
    try:
        own = stopping_table(rule_of(certified.settings))
    except InputError as error:
        yield f"{certified.where}: settings that cannot be certified with ({error})"
        return
    if own != certified.table:
        yield f"{certified.where}: the stopping boundaries are not those of its settings"


def _against_data(certified: _Certified) -> Iterator[str]:
    """Yield rows whose target is not the label, or whose rounding is not that of the input."""
    for row in certified.rows:
        where = f"{certified.where}, input {row['input']}"
        place = certified.places.get(row["input"])
        if place is None:
            yield f"{where}: is not in its split"
            continue
        label = int(certified.split.y[place])
        if row["target"] != label:
            yield f"{where}: target is {row['target']!r}, the label is {label}"
        x = certified.split.x[place].numpy().astype(np.float64).ravel()
        expected = _rounding(x, certified.settings)
        try:
            same = abs(row["rounding"] - expected) <= 1e-6 * expected
        except TypeError:
            same = False
        if not same:
            yield f"{where}: rounding is stored as {row['rounding']!r}, recomputed {expected!r}"


def _rounding(x: np.ndarray, settings: CertificationSettings) -> float:
    """Return the length of x − nearest lattice point, and half a cell; float32 of a grid point is it."""
    grid_step, unit = settings.grid_step, settings.unit
    with np.errstate(all="ignore"):
        off = x - np.round(x / unit) * unit
        if grid_step is not None:
            off[np.float32(np.round(x / grid_step) * grid_step) == x] = 0.0
    half_cell = settings.noise.half_cell(x.size, unit)
    return float(settings.noise.length(torch.from_numpy(off)[None])[0]) + half_cell


def _against_network(certified: _Certified, model: nn.Module) -> Iterator[str]:
    """Yield rows whose one_pass is not the class of a forward pass."""
    rows = _known(certified)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        with evaluating(model):
            logits = checked_logits(model, certified.inputs(part), device_of(model), None).cpu()
        for row, values in zip(part, logits.tolist(), strict=True):
            said = row["one_pass"]
            fits = type(said) is int and 0 <= said < len(values)
            if not fits or max(values) - values[said] >= _TIE:
                label = values.index(max(values))
                where = f"{certified.where}, input {row['input']}"
                yield f"{where}: one_pass is {said!r}, the network says {label}"
