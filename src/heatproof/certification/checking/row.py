"""The checker on one certificate: whether its radius follows from its counts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from heatproof.certification.checking.arithmetic import lower_bound, score_bound, upper_bound
from heatproof.certification.checking.known import Known

__all__ = ["row_faults"]

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class _Expected:
    """What the counts prove: p_lower, p_upper, and the radius where one was decided."""

    p_lower: float
    p_upper: float
    certified: bool
    decided: float | None = None


def row_faults(row: dict[str, Any], known: Known) -> Iterator[str]:
    """Yield what is wrong with one row, each in a few words. Errors: those of reading anything."""
    settings = known.settings
    selection, estimation = json.loads(row["selection_counts"]), json.loads(row["estimation_counts"])
    for name in ("target", "one_pass"):
        label = row[name]
        if label is not None and not (type(label) is int and 0 <= label < settings["classes"]):
            yield f"{name} is {label!r}, not one of {settings['classes']} classes"
    faults = [*_counts(known, "selection", selection), *_counts(known, "estimation", estimation)]
    yield from faults
    if faults:
        return
    if row["candidate"] != selection.index(max(selection)):
        yield f"candidate {row['candidate']} did not get the most selection votes"
        return
    expected: list[_Expected] = []
    yield from _expect(row, known, estimation, expected)
    if expected:
        yield from _compare(row, known, expected[0])


def _counts(known: Known, stage: str, counts: list[Any]) -> Iterator[str]:
    """Yield counts that are no counts, or not of as many draws as the settings say."""
    settings = known.settings
    soft = stage == "estimation" and settings["vote"] == "soft"
    cells = len(counts) if soft else settings["classes"]
    if len(counts) != cells or not all(type(count) is int and count >= 0 for count in counts):
        yield f"{stage} counts are not {cells} whole numbers ≥ 0"
        return
    total, most = sum(counts), settings[f"{stage}_samples"]
    exact = stage == "selection" or settings["method"] == "fixed"
    if total > most or total < 1 or (exact and total != most):
        yield f"{stage} counts add up to {total}, not {'' if exact else 'at most '}{most}"


def _expect(row: dict[str, Any], known: Known, counts: list[int], found: list[_Expected]) -> Iterator[str]:
    """Put what the counts prove into `found`, and yield what speaks against taking it."""
    settings, votes, total = known.settings, None, sum(counts)
    if settings["vote"] == "soft":
        p_lower = score_bound(counts, known.level)
    elif settings["method"] == "decision":
        yield from _decided(row, known, counts, found)
        return
    else:
        votes = counts[row["candidate"]]
        p_lower = lower_bound(votes, total, known.level)
    if settings["method"] == "radius":
        yield from _stopped(known.boundaries[0], total, int(votes or 0))
    p_upper = 1.0 - p_lower
    if settings["runner_up"] == "simultaneous":
        each = known.level if len(counts) == 2 else known.level / 2  # two classes: one event
        p_lower = lower_bound(counts[row["candidate"]], total, each)
        others = [count for label, count in enumerate(counts) if label != row["candidate"]]
        p_upper = min(1.0 - p_lower, max(upper_bound(count, total, each) for count in others))
    found.append(_Expected(p_lower, p_upper, p_lower > p_upper))


def _stopped(boundary: dict[str, Any], total: int, votes: int) -> Iterator[str]:
    """Yield a stop that the table of limits does not allow: only few votes may stop early."""
    if total not in boundary["looks"]:
        yield f"stopped after {total} draws, where there is no look"
        return
    most = boundary["stop_at_most"][boundary["looks"].index(total)]
    if total != boundary["looks"][-1] and votes > most:
        yield f"stopped after {total} draws with {votes} votes, above the limit {most}"
    for look, limit in zip(boundary["looks"], boundary["stop_at_most"], strict=True):
        if look < total and min(votes, look) <= limit:
            yield f"drew on after {look} draws, where the limit {limit} ends it"


def _decided(row: dict[str, Any], known: Known, counts: list[int], found: list[_Expected]) -> Iterator[str]:
    """Go through the radii, the smallest first, as long as each is certified."""
    looks, settings = json.loads(row["looks"]), known.settings
    if [look["radius"] for look in looks] != settings["radii"]:
        yield "its looks are not those of the radii"
        return
    yield from _one_walk(looks, counts[row["candidate"]], sum(counts))
    best, nested = -1, True
    for number, (look, boundary) in enumerate(zip(looks, known.boundaries, strict=True)):
        if look["certified"]:
            yield from _crossed(look, boundary)
            if not nested:
                yield f"radius {look['radius']:g} is certified, but a smaller one is not"
            best = number
        else:
            nested = False
    edge = known.boundaries[best]["threshold"] if best >= 0 else 0.0
    radius = settings["radii"][best] if best >= 0 else 0.0
    found.append(_Expected(edge, 1.0 - edge, best >= 0, decided=radius))


def _one_walk(looks: list[dict[str, Any]], votes: int, total: int) -> Iterator[str]:
    """Yield looks that are not of one sequence of draws which ended when all radii were decided."""
    before = (0, 0)
    for look in sorted(looks, key=lambda one: int(one["samples"])):
        now = (look["votes"], look["samples"] - look["votes"])
        if now[0] < before[0] or now[1] < before[1]:
            yield f"radius {look['radius']:g}: fewer votes or failures than at a look before"
        before = now
    if before != (votes, total - votes):
        yield f"counted {votes} votes of {total} draws, {before[0]} of {sum(before)} at the last look"


def _crossed(look: dict[str, Any], boundary: dict[str, Any]) -> Iterator[str]:
    samples, failures = look["samples"], look["samples"] - look["votes"]
    if not (type(samples) is int and type(look["votes"]) is int and samples in boundary["looks"]):
        yield f"radius {look['radius']:g} was decided after {samples!r} draws, where there is no look"
        return
    most = boundary["certify_at_most"][boundary["looks"].index(samples)]
    if not 0 <= failures <= most:
        yield f"radius {look['radius']:g}: {failures} failures of {samples} draws, {most} are allowed"


def _compare(row: dict[str, Any], known: Known, expected: _Expected) -> Iterator[str]:
    settings, least_rounding = known.settings, known.half_cell
    if not least_rounding * (1 - _TOLERANCE) <= row["rounding"] < math.inf:
        yield f"rounding {row['rounding']:g} is below half a cell = {least_rounding:g}"
    clear = (
        abs(expected.p_lower - expected.p_upper) > 1e-9
    )  # at a tie the last bit decides, and the radius is 0
    if row["abstained"] not in {0, 1} or (clear and bool(row["abstained"]) == expected.certified):
        yield f"abstained is {row['abstained']!r}, but p_lower is {expected.p_lower:.6f}"
    if expected.decided is not None:
        native = expected.decided / known.factor(settings["norm"])
        if row["rounding"] > 2 * least_rounding * (1 + _TOLERANCE):
            yield f"rounding {row['rounding']:g} is more than the threshold pays for"
    else:
        bounds = (expected.p_lower, expected.p_upper)
        rounding = max(row["rounding"], least_rounding)
        native = max(0.0, known.native(*bounds) - rounding) if expected.certified else 0.0
    yield from _numbers(row, known, expected, native)


def _numbers(row: dict[str, Any], known: Known, expected: _Expected, native: float) -> Iterator[str]:
    """Yield stored numbers that are not those recomputed."""
    settings, radii = known.settings, json.loads(row["radii"])
    scale = _TOLERANCE * known.native(0.841344746, 0.158655254)  # of the radius at one standard deviation
    wanted = {
        "p_lower": (row["p_lower"], expected.p_lower, _TOLERANCE),
        "p_upper": (row["p_upper"], expected.p_upper, _TOLERANCE),
        "radius": (
            row["radius"],
            native * known.factor(settings["norm"]),
            scale * known.factor(settings["norm"]),
        ),
    }
    if settings["norm"] not in radii:
        yield f"no radius in {settings['norm']}"
    for norm, stored in radii.items():
        factor = known.factor(norm)
        wanted[f"radius in {norm}"] = (stored, native * factor, scale * factor)
    for name, (stored, value, tolerance) in wanted.items():
        if not abs(stored - value) <= tolerance:
            yield f"{name} is stored as {stored!r}, recomputed {value!r}"
