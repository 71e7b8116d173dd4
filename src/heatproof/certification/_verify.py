"""The independent checker: recomputes every radius from the stored counts with code of its own.

It shares nothing with the certifier: it reads the SQLite file itself, sums binomial tails term by term
(the certifier inverts the incomplete beta function), finds the bound by bisection, and takes Φ⁻¹ from the
standard library. It proves that the radii follow from the counts and the settings, not that the counts were
drawn honestly, nor that labels are those of the data: `heatproof verify` compares those with the run's data
and draws a few inputs again.
"""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from heatproof._check import message
from heatproof.errors import RunFolderError

__all__ = ["UNREADABLE", "Verification", "read_store", "verify_rows", "verify_store"]

FORMAT = 1
_TOLERANCE = 1e-6
_KNOWN = {"noise": "gaussian", "vote": "hard", "method": "clopper-pearson", "alpha_scope": "per input"}
_POSITIVE = ("noise_std", "unit", "dimension", "estimation_samples", "selection_samples")
_CLASSIFIERS = ("network", "equation")
_OTHERS = ("classifier", "alpha", "seed", "grid_step", "classes", "model_fingerprint")
_RESOLUTION = 2.0**-14
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, RecursionError)
"""What reading a row can raise whose values are not what they should be."""


@dataclass(frozen=True)
class Verification:
    """How many certificates were checked, each mismatch in one line, and how many are still to be made.

    `redrawn` is how many inputs' noise was drawn again; this module draws none.
    """

    checked: int
    missing: int
    mismatches: tuple[str, ...]
    redrawn: int = 0


def verify_store(path: Path, model_fingerprint: str | None = None) -> Verification:
    """Recompute every certificate in the store; compare the model's fingerprint where one is given.

    Whatever is wrong inside a row or its settings, up to text where a number belongs, is a mismatch, not an
    error. Cost: about a millisecond for each distinct count. Errors: `RunFolderError` if the file is
    missing, of another format or no certificate store.
    """
    return verify_rows(*read_store(path), model_fingerprint)


def read_store(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rows of both tables, certifications and certificates, as of one moment and as they are.

    Errors: those of `verify_store`.
    """
    if not path.is_file():
        advice = "Make certificates first: heatproof certify RUN."
        raise RunFolderError(message(path.name, "no such file", "a certificate store", advice))
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as connection:
            connection.row_factory = sqlite3.Row
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            connection.execute("BEGIN")  # both tables as of one moment
            certifications = [dict(row) for row in connection.execute("SELECT * FROM certifications")]
            certificates = [dict(row) for row in connection.execute("SELECT * FROM certificates")]
    except sqlite3.DatabaseError as error:
        raise RunFolderError(message(path.name, str(error), "an SQLite certificate store")) from error
    if version != FORMAT:
        advice = "Use the version of heatproof that made it."
        raise RunFolderError(message(path.name, f"format {version}", f"format {FORMAT}", advice))
    return certifications, certificates


def verify_rows(
    certifications: list[dict[str, Any]],
    certificates: list[dict[str, Any]],
    model_fingerprint: str | None = None,
) -> Verification:
    """Do what `verify_store` does, on rows that are read already."""
    mismatches: list[str] = []
    missing = 0
    rows: dict[object, list[dict[str, Any]]] = {one["id"]: [] for one in certifications}
    for row in certificates:
        if row["certification"] in rows:
            rows[row["certification"]].append(row)
        else:
            mismatches.append(f"input {row['input']}: belongs to no certification")
    for one in certifications:
        where = f"certification {one['id']}"
        try:
            settings, plan = json.loads(one["settings"]), json.loads(one["plan"])["index"]
            planned, stored = set(plan), [row["input"] for row in rows[one["id"]]]
            faults = list(_settings_faults(settings, model_fingerprint))
            if len(planned) < len(plan) or len(set(stored)) < len(stored):
                faults.append("an input is there more than once")
        except UNREADABLE as error:
            mismatches.append(f"{where}: settings or plan cannot be read ({error!r})")
            continue
        mismatches += [f"{where}: {text}" for text in faults]
        missing += len(planned - set(stored))
        for row in rows[one["id"]]:
            mismatches += [f"{where}, input {row['input']}: {text}" for text in _row(row, settings, planned)]
    return Verification(len(certificates), missing, tuple(mismatches))


def _row(row: dict[str, Any], settings: dict[str, Any], planned: set[int]) -> list[str]:
    try:
        return list(_faults(row, settings, planned))
    except UNREADABLE as error:
        return [f"cannot be checked ({error!r})"]


def _settings_faults(settings: dict[str, Any], model_fingerprint: str | None) -> Iterator[str]:
    for name, known in _KNOWN.items():
        if settings[name] != known:
            yield f"{name} is {settings[name]!r}, which this checker does not know"
    if not 0 < settings["alpha"] < 1:
        yield f"alpha is {settings['alpha']}, outside (0, 1)"
    for name in _POSITIVE:
        if not 0 < settings[name] < math.inf:
            yield f"{name} is {settings[name]}, not positive"
    if model_fingerprint is not None and settings["model_fingerprint"] != model_fingerprint:
        yield "made with other weights than those in the run folder (fingerprints differ)"
    yield from _other_faults(settings)


def _other_faults(settings: dict[str, Any]) -> Iterator[str]:
    """Yield what else is wrong: the kind of classifier, keys too many or too few, the lattice unit."""
    if settings["classifier"] not in _CLASSIFIERS:
        yield f"classifier is {settings['classifier']!r}, which this checker does not know"
    names = {*_KNOWN, *_POSITIVE, *_OTHERS}
    if set(settings) != names:
        yield f"settings that do not belong, or are missing: {', '.join(sorted(set(settings) ^ names))}"
    if all(0 < settings[name] < math.inf for name in ("noise_std", "unit")):
        unit = _unit(settings["noise_std"], settings["grid_step"])
        if not math.isclose(settings["unit"], unit, rel_tol=1e-12):
            yield f"unit is {settings['unit']!r}, but noise_std and grid_step make it {unit!r}"


def _unit(noise_std: float, grid_step: float | None) -> float:
    """Return the lattice unit: 2⁻¹⁴ of the noise, or the grid halved until it is as fine."""
    finest = noise_std * _RESOLUTION
    if grid_step is None or grid_step < finest:
        return finest
    return float(grid_step / 2 ** math.ceil(math.log2(grid_step / finest)))


def _faults(row: dict[str, Any], settings: dict[str, Any], planned: set[int]) -> Iterator[str]:
    """Yield what is wrong with one row, each in a few words."""
    selection, estimation = json.loads(row["selection_counts"]), json.loads(row["estimation_counts"])
    if row["input"] not in planned:
        yield "is not among the planned inputs"
    for name in ("target", "one_pass"):
        label = row[name]
        if label is not None and not (type(label) is int and 0 <= label < settings["classes"]):
            yield f"{name} is {label!r}, not one of {settings['classes']} classes"
    for name, counts in (("selection", selection), ("estimation", estimation)):
        whole = all(type(count) is int and count >= 0 for count in counts)
        if not whole or len(counts) != settings["classes"]:
            yield f"{name} counts are not {settings['classes']} whole numbers ≥ 0"
            return
        if sum(counts) != settings[f"{name}_samples"]:
            yield f"{name} counts add up to {sum(counts)}, not {settings[f'{name}_samples']}"
            return
    if row["candidate"] != selection.index(max(selection)):
        yield f"candidate {row['candidate']} did not get the most selection votes"
        return
    p_lower = _lower_bound(estimation[row["candidate"]], sum(estimation), settings["alpha"])
    yield from _compare(row, settings, p_lower)


def _compare(row: dict[str, Any], settings: dict[str, Any], p_lower: float) -> Iterator[str]:
    least_rounding = 0.5 * math.sqrt(settings["dimension"]) * settings["unit"]
    if not least_rounding * (1 - 1e-9) <= row["rounding"] < math.inf:
        yield f"rounding {row['rounding']:g} is below ½√d·unit = {least_rounding:g}"
    clear = abs(p_lower - 0.5) > 1e-9  # at exactly one half the last bit decides, and the radius is 0
    if row["abstained"] not in {0, 1} or (clear and bool(row["abstained"]) != (p_lower <= 0.5)):
        yield f"abstained is {row['abstained']!r}, but p_lower is {p_lower:.6f}"
    radius = 0.0
    if p_lower > 0.5:
        radius = settings["noise_std"] * NormalDist().inv_cdf(p_lower) - max(row["rounding"], least_rounding)
    radius = max(radius, 0.0)
    root = math.sqrt(settings["dimension"])
    scale = _TOLERANCE * settings["noise_std"]
    expected = {
        "p_lower": (p_lower, _TOLERANCE),
        "radius_l1": (radius, scale),
        "radius_l2": (radius, scale),
        "radius_linf": (radius / root, scale / root),
    }
    for name, (value, tolerance) in expected.items():
        if not abs(row[name] - value) <= tolerance:
            yield f"{name} is stored as {row[name]!r}, recomputed {value!r}"


@lru_cache(maxsize=65536)
def _lower_bound(successes: int, trials: int, alpha: float) -> float:
    """Return the largest p with P(Bin(trials, p) ≥ successes) ≤ alpha, to 2⁻⁵⁰, by bisection."""
    if successes == 0:
        return 0.0
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        if _upper_tail(successes, trials, middle) <= alpha:
            low = middle
        else:
            high = middle
    return low


def _upper_tail(successes: int, trials: int, p: float) -> float:
    """Return P(Bin(trials, p) ≥ successes), summed away from the mean, where the terms only fall."""
    if p <= 0.0 or p >= 1.0:
        return 0.0 if p <= 0.0 else 1.0
    if p * trials > successes:
        return 1.0 - _upper_tail(trials - successes + 1, trials, 1.0 - p)
    log_term = (
        math.lgamma(trials + 1)
        - math.lgamma(successes + 1)
        - math.lgamma(trials - successes + 1)
        + successes * math.log(p)
        + (trials - successes) * math.log1p(-p)
    )
    more = np.arange(successes, min(trials, successes + 40 * math.isqrt(trials) + 40), dtype=np.float64)
    ratios = (trials - more) / (more + 1.0) * (p / (1.0 - p))
    return math.exp(log_term) * (1.0 + float(np.cumprod(ratios).sum()))
