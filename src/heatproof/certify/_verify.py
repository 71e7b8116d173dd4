"""The independent checker: recomputes every radius from the stored counts with code of its own.

It shares nothing with the certifier: it reads the SQLite file itself, sums binomial tails term by term
(the certifier inverts the incomplete beta function), finds the bound by bisection, and takes Φ⁻¹ from the
standard library. It proves that the radii follow from the counts, not that the counts were drawn honestly:
for that, certify again with the same seed.
"""

from __future__ import annotations

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

__all__ = ["Verification", "verify_store"]

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Verification:
    """How many certificates were checked, each mismatch in one line, and how many are still to be made."""

    checked: int
    missing: int
    mismatches: tuple[str, ...]


def verify_store(path: Path, model_fingerprint: str | None = None) -> Verification:
    """Recompute every certificate in the store; compare the model's fingerprint where one is given.

    Cost: about a millisecond for each distinct count. Errors: `RunFolderError` if the file is missing or
    no certificate store.
    """
    if not path.is_file():
        advice = "Make certificates first: heatproof certify RUN."
        raise RunFolderError(message(path.name, "no such file", "a certificate store", advice))
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as connection:
            connection.row_factory = sqlite3.Row
            certifications = [dict(row) for row in connection.execute("SELECT * FROM certifications")]
            certificates = [dict(row) for row in connection.execute("SELECT * FROM certificates")]
        connection.close()
    except sqlite3.DatabaseError as error:
        raise RunFolderError(message(path.name, str(error), "an SQLite certificate store")) from error
    return _verify(certifications, certificates, model_fingerprint)


def _verify(
    certifications: list[dict[str, Any]], certificates: list[dict[str, Any]], model_fingerprint: str | None
) -> Verification:
    mismatches, missing = [], 0
    for certification in certifications:
        settings = json.loads(certification["settings"])
        planned = json.loads(certification["plan"])["index"]
        rows = [row for row in certificates if row["certification"] == certification["id"]]
        missing += len(set(planned) - {row["input"] for row in rows})
        where = f"certification {certification['id']}"
        mismatches += [f"{where}: {text}" for text in _settings_faults(settings, model_fingerprint)]
        for row in rows:
            faults = _faults(row, settings, set(planned))
            mismatches += [f"{where}, input {row['input']}: {text}" for text in faults]
    known = {certification["id"] for certification in certifications}
    strays = [row["input"] for row in certificates if row["certification"] not in known]
    mismatches += [f"input {index}: belongs to no certification" for index in strays]
    return Verification(len(certificates), missing, tuple(mismatches))


def _settings_faults(settings: dict[str, Any], model_fingerprint: str | None) -> Iterator[str]:
    if not 0 < settings["alpha"] < 1:
        yield f"alpha is {settings['alpha']}, outside (0, 1)"
    if not settings["noise_std"] > 0:
        yield f"noise_std is {settings['noise_std']}, not positive"
    if model_fingerprint is not None and settings["model_fingerprint"] != model_fingerprint:
        yield "made with other weights than those in the run folder (fingerprints differ)"


def _faults(row: dict[str, Any], settings: dict[str, Any], planned: set[int]) -> Iterator[str]:
    """Yield what is wrong with one row, each in a few words."""
    selection = [int(count) for count in json.loads(row["selection_counts"])]
    estimation = [int(count) for count in json.loads(row["estimation_counts"])]
    if row["input"] not in planned:
        yield "is not among the planned inputs"
    for name, counts in (("selection", selection), ("estimation", estimation)):
        if len(counts) != settings["classes"] or min(counts) < 0:
            yield f"{name} counts are not {settings['classes']} numbers ≥ 0"
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
    if row["rounding"] < least_rounding * (1 - 1e-9):
        yield f"rounding {row['rounding']:g} is below ½√d·unit = {least_rounding:g}"
    if bool(row["abstained"]) != (p_lower <= 0.5):
        yield f"abstained is {bool(row['abstained'])}, but p_lower is {p_lower:.6f}"
    radius = 0.0
    if p_lower > 0.5:
        radius = settings["noise_std"] * NormalDist().inv_cdf(p_lower) - max(row["rounding"], least_rounding)
    radius = max(radius, 0.0)
    expected = {
        "p_lower": p_lower,
        "radius_l1": radius,
        "radius_l2": radius,
        "radius_linf": radius / math.sqrt(settings["dimension"]),
    }
    for name, value in expected.items():
        if not abs(row[name] - value) <= _TOLERANCE * max(1.0, value):
            yield f"{name} is stored as {row[name]!r}, recomputed {value!r}"


@lru_cache(maxsize=65536)
def _lower_bound(successes: int, trials: int, alpha: float) -> float:
    """Return the largest p with P(Bin(trials, p) ≥ successes) ≤ alpha, to 2⁻⁵⁰, by bisection."""
    if successes == 0:
        return 0.0
    low, high = 0.0, successes / trials
    for _ in range(50):
        middle = (low + high) / 2
        if _upper_tail(successes, trials, middle) <= alpha:
            low = middle
        else:
            high = middle
    return low


def _upper_tail(successes: int, trials: int, p: float) -> float:
    """Return P(Bin(trials, p) ≥ successes) for p ≤ successes/trials, summed from its largest term."""
    if p <= 0.0:
        return 0.0
    if p >= 1.0:
        return 1.0
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
