"""The checker on settings: what it knows, what belongs together, and the level of every stopping boundary."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from heatproof.certification.checking.arithmetic import boundary_level
from heatproof.certification.checking.noises import NOISES, KnownNoise

__all__ = ["Known", "settings_faults"]

_CHOICES = {
    "classifier": ("network", "equation", "interior"),
    "vote": ("hard", "soft"),
    "method": ("fixed", "decision", "radius"),
    "runner_up": ("complement", "simultaneous"),
    "alpha_scope": ("per input", "table"),
    "precision": ("own", "bfloat16"),
}
_POSITIVE = ("unit", "dimension", "estimation_samples", "selection_samples")
_OTHERS = ("noise", "norm", "alpha", "inputs", "radii", "tolerance", "price", "seed", "grid_step", "classes")
_NAMES = {*_CHOICES, *_POSITIVE, *_OTHERS, "model_fingerprint"}
_SLACK = 1e-9


@dataclass(frozen=True)
class Known:
    """The settings of one certification and its stopping boundaries, as they were stored."""

    settings: dict[str, Any]
    boundaries: list[dict[str, Any]]

    @property
    def noise(self) -> KnownNoise:
        """What is known of its noise. Errors: `KeyError` where nothing is."""
        return NOISES[self.settings["noise"]["name"]]

    @property
    def level(self) -> float:
        """The failure probability of one input."""
        inputs = self.settings["inputs"]
        return float(self.settings["alpha"] / (1 if inputs is None else inputs))

    @property
    def half_cell(self) -> float:
        """The length, in the noise's own norm, of half a lattice cell's diagonal."""
        settings = self.settings
        return self.noise.half_cell(settings["noise"], settings["dimension"], settings["unit"])

    def factor(self, norm: str) -> float:
        """Return the radius in `norm` that a native radius 1 implies."""
        return self.noise.factor(self.settings["noise"], norm, self.settings["dimension"])

    def native(self, p_lower: float, p_upper: float) -> float:
        """Return the radius in the noise's own norm."""
        return self.noise.radius(self.settings["noise"], p_lower, p_upper)


def settings_faults(known: Known, planned: int, model_fingerprint: str | None) -> Iterator[str]:
    """Yield what is wrong with the settings, each in a few words. Errors: those of reading anything."""
    settings = known.settings
    for name, choices in _CHOICES.items():
        if settings[name] not in choices:
            yield f"{name} is {settings[name]!r}, which this checker does not know"
    if settings["noise"]["name"] not in NOISES:
        yield f"noise is {settings['noise']['name']!r}, which this checker does not know"
        return
    if not 0 < settings["alpha"] < 1:
        yield f"alpha is {settings['alpha']}, outside (0, 1)"
    for name in _POSITIVE:
        if not 0 < settings[name] < math.inf:
            yield f"{name} is {settings[name]}, not positive"
    if not 0 < known.noise.scale(settings["noise"]) < math.inf:
        yield f"noise has scale {known.noise.scale(settings['noise'])}, not positive"
        return
    if model_fingerprint is not None and settings["model_fingerprint"] != model_fingerprint:
        yield "made with another model than that in the run folder (its fingerprint differs)"
    if set(settings) != _NAMES:
        yield f"settings that do not belong, or are missing: {', '.join(sorted(set(settings) ^ _NAMES))}"
    yield from _together(known, planned)
    yield from _unit(known)
    yield from _boundaries(known)


def _together(known: Known, planned: int) -> Iterator[str]:
    """Yield choices that do not belong together."""
    settings = known.settings
    table = settings["alpha_scope"] == "table"
    if table and not (type(settings["inputs"]) is int and settings["inputs"] >= planned):
        yield f"alpha is for a table of {settings['inputs']!r} inputs, but {planned} are planned"
    if not table and settings["inputs"] is not None:
        yield f"inputs is {settings['inputs']!r} although alpha is per input"
    if settings["method"] != "fixed" and (settings["vote"], settings["runner_up"]) != ("hard", "complement"):
        how = f"{settings['vote']} votes and {settings['runner_up']} runner-up"
        yield f"method {settings['method']!r} with {how}"
    if any(not a < b for a, b in pairwise([-1.0, *settings["radii"]])):
        yield f"radii are {settings['radii']!r}, not increasing numbers ≥ 0"
    if not known.factor(settings["norm"]) > 0:
        yield f"norm is {settings['norm']!r}, which this noise does not certify"


def _unit(known: Known) -> Iterator[str]:
    """Yield a lattice unit that is not the one of this noise and grid."""
    settings, noise = known.settings, known.noise
    finest = noise.scale(settings["noise"]) * 2.0**-noise.bits
    grid, unit = settings["grid_step"], finest
    if grid is not None and grid >= finest and not noise.own_lattice:
        unit = grid / 2 ** math.ceil(math.log2(grid / finest))
    if not math.isclose(settings["unit"], unit, rel_tol=noise.slack):
        yield f"unit is {settings['unit']!r}, but noise and grid_step make it {unit!r}"


def _boundaries(known: Known) -> Iterator[str]:
    """Yield stopping boundaries that are missing, out of order, for smaller radii, or above their level."""
    settings = known.settings
    wanted = {"fixed": 0, "radius": 1, "decision": len(settings["radii"])}.get(settings["method"], 0)
    if len(known.boundaries) != wanted:
        yield f"{len(known.boundaries)} stopping boundaries, where {wanted} belong"
        return
    for number, one in enumerate(known.boundaries):
        looks = one["looks"]
        if looks[-1] != settings["estimation_samples"] or any(a >= b for a, b in pairwise([0, *looks])):
            yield f"boundary {number + 1}: looks that do not increase to the most samples"
        elif settings["method"] == "decision":
            yield from _decision(known, number, one)
        elif len(one["stop_at_most"]) != len(looks):
            yield f"boundary {number + 1}: {len(one['stop_at_most'])} limits for {len(looks)} looks"


def _decision(known: Known, number: int, one: dict[str, Any]) -> Iterator[str]:
    radius, edge = known.settings["radii"][number], one["threshold"]
    reached = known.native(edge, 1.0 - edge) - 2 * known.half_cell
    wanted = radius / known.factor(known.settings["norm"])
    if not reached >= wanted - _SLACK * (1 + wanted):
        what = f"certifies {reached:g}, not the radius {radius:g}"
        yield f"boundary {number + 1}: its threshold {edge!r} {what}"
    level = boundary_level(edge, one["looks"], one["certify_at_most"], one["futile_at_least"])
    if not level <= known.level * (1 + _SLACK):
        yield f"boundary {number + 1}: a false certificate has probability {level:g}, above {known.level:g}"
