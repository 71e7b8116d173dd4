"""What the cells of a benchmark of training come to: averages with intervals, paired differences, targets.

All intervals are 95 %. Over images: the images are taken as a random sample and the trained networks as
given. Over seeds: Student's, over networks trained from different seeds, on these images. Certified accuracy
has the exact (Clopper–Pearson) interval of as many images as one network sees, whatever the number of seeds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from training_cells import Plan
from training_contestants import CONSISTENCY, OURS, STEADY

from heatproof._intervals import lower_bound, proportion
from heatproof.noise import Gaussian
from heatproof.statistics import student_half_width

__all__ = ["above_all_others", "average_radius", "difference", "level", "reach", "summarise"]

Result = dict[str, Any]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STEP = 0.25
"""Between the radii of certified accuracy."""


def summarise(plan: Plan, results: Sequence[Result]) -> dict[str, Any]:
    """Return every figure of the results that are there."""
    done = [one for one in results if "failed" not in one]
    levels = sorted({one["cell"]["noise_std"] for one in done})
    shared = [_every(one, plan.every) for one in done]
    all_images = [one for one in done if one["cell"]["every"] < plan.every]
    return {
        "protocol": plan.protocol.identity,
        "remarks": list(plan.remarks),
        "cells": {
            "wanted": len(plan.cells),
            "done": len(results),
            "diverged": {one["cell"]["objective"]: one["failed"] for one in results if "failed" in one},
        },
        "levels": [level(_at(shared, noise_std), noise_std) for noise_std in levels],
        "all_images": [
            _row([one], _radii([one])) | {"noise_std": one["cell"]["noise_std"]} for one in all_images
        ],
        "seconds": sum(sum(one["seconds"].values()) for one in done),
        "environment": done[-1]["environment"] if done else {},
    }


def level(results: Sequence[Result], noise_std: float) -> dict[str, Any]:
    """Return the table of one noise_std, and how far ours is above each of the others."""
    names = list(dict.fromkeys(one["cell"]["objective"] for one in results))
    groups = {name: [one for one in results if one["cell"]["objective"] == name] for name in names}
    radii = _radii(results)
    ours = groups.get(OURS, [])
    return {
        "noise_std": noise_std,
        "rows": [_row(group, radii) for group in groups.values()],
        "differences": {
            name: difference(ours, group) for name, group in groups.items() if ours and name != OURS
        },
    }


def reach(result: Result) -> np.ndarray:
    """Return the radius of each image, 0 where it is answered wrongly or not at all."""
    images = result["images"]
    right = np.asarray(images["label"]) == np.asarray(images["target"])
    return np.where(right, np.asarray(images["radius"], dtype=np.float64), 0.0)


def difference(first: Sequence[Result], second: Sequence[Result]) -> dict[str, Any] | None:
    """Return the mean of first − second over the same images and the seeds that both have."""
    seeds = sorted({one["cell"]["seed"] for one in first} & {one["cell"]["seed"] for one in second})
    if not seeds:
        return None
    by_seed = [_of_seed(first, seed) - _of_seed(second, seed) for seed in seeds]
    return {"seeds": len(seeds), **_mean(np.stack(by_seed))}


def average_radius(summary: dict[str, Any], noise_std: float, objective: str) -> float | None:
    """Return an ACR of the summary, None where it is not there."""
    for one in summary["levels"]:
        for row in one["rows"]:
            if math.isclose(one["noise_std"], noise_std) and row["objective"] == objective:
                return float(row["acr"]["mean"])
    return None


def above_all_others(plan: Plan, summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Judge at each noise_std whether ours has a larger ACR than every other objective of the plan.

    By the paired differences over common seeds. `met`: all are above 0; `clear`: so are all their intervals
    over images; None where a cell is missing.
    """
    judged = []
    for noise_std in sorted({cell.noise_std for cell in plan.cells}):
        wanted = {cell.objective for cell in plan.cells if cell.noise_std == noise_std} - {OURS, STEADY}
        found = next((one for one in summary["levels"] if one["noise_std"] == noise_std), None)
        pairs = {} if found is None else found["differences"]
        known = {name: pairs[name] for name in wanted if pairs.get(name) is not None}
        least = min(known, key=lambda name: known[name]["mean"], default=None)
        whole = len(known) == len(wanted) and bool(wanted)
        judged.append(
            {
                "claim": f"noise_std {noise_std:g}: ACR of ours above every other's",
                "nearest": least,
                "difference": None if least is None else known[least],
                "consistency": known.get(CONSISTENCY),
                "met": all(one["mean"] > 0 for one in known.values()) if whole else None,
                "clear": all(one["images"][0] > 0 for one in known.values()) if whole else None,
            }
        )
    return judged


def _row(group: Sequence[Result], radii: Sequence[float]) -> dict[str, Any]:
    """Return the figures of one objective at one noise_std, over its seeds."""
    first, reaches = group[0], np.stack([reach(one) for one in group])
    shares = np.concatenate([np.asarray(one["images"]["votes"]) / one["samples"] for one in group])
    right = np.stack([np.asarray(one["images"]["label"]) for one in group]) == first["images"]["target"]
    return {
        "objective": first["cell"]["objective"],
        "settings": first["settings"],
        "classifier": first["classifier"],
        "seeds": len(group),
        "images": reaches.shape[1],
        "acr": _mean(reaches, least=0.0),
        "certified": {f"{radius:g}": _share((right & (reaches >= radius)).mean(axis=0)) for radius in radii},
        "votes": {f"{q:g}": float(np.quantile(shares, q)) for q in QUANTILES},
        "unanimous": float((shares == 1).mean()),
        "abstained": float(np.mean([np.asarray(one["images"]["label"]) < 0 for one in group])),
        "natural_accuracy": _average(one["natural_accuracy"] for one in group),
        "passes": first["passes"],
        "evaluations": first["evaluations"],
        "steps": first["steps"],
        "epochs": first["steps"] * first["batch_size"] / first["train_rows"],
        "training_seconds": _average(one["seconds"]["training"] for one in group),
        "certification_seconds": _average(one["seconds"]["certification"] for one in group),
    }


def _mean(reaches: np.ndarray, least: float = -math.inf) -> dict[str, Any]:
    """Return the mean of (seeds, images) with its interval over images and, from two seeds on, over seeds.

    No interval goes below `least`.
    """
    by_image, by_seed, mean = reaches.mean(axis=0), reaches.mean(axis=1), float(reaches.mean())
    return {
        "mean": mean,
        "images": _around(mean, by_image, least),
        "over_seeds": _around(mean, by_seed, least),
    }


def _around(mean: float, values: np.ndarray, least: float) -> list[float] | None:
    if len(values) < 2:
        return None
    half = student_half_width(values, 0.95)
    return [max(least, mean - half), mean + half]


def _share(by_image: np.ndarray) -> dict[str, float]:
    found = proportion(round(float(by_image.sum())), len(by_image))
    return {"share": float(by_image.mean()), "low": found.low, "high": found.high}


def _average(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _radii(results: Sequence[Result]) -> list[float]:
    """Return 0, .25, … up to the radius of a unanimous vote."""
    most = 0.0
    for one in results:
        protocol, samples = one["cell"], one["samples"]
        p_lower = lower_bound(samples, samples, one["alpha"])
        most = max(most, Gaussian(noise_std=protocol["noise_std"]).radius(p_lower, 1 - p_lower))
    return [STEP * place for place in range(math.floor(most / STEP) + 1)]


def _every(result: Result, every: int) -> Result:
    """Return the result on every so many test images only."""
    kept = [place for place, row in enumerate(result["images"]["row"]) if row % every == 0]
    images = {name: [values[place] for place in kept] for name, values in result["images"].items()}
    return {**result, "images": images}


def _at(results: Sequence[Result], noise_std: float) -> list[Result]:
    return [one for one in results if one["cell"]["noise_std"] == noise_std]


def _of_seed(results: Sequence[Result], seed: int) -> np.ndarray:
    return reach(next(one for one in results if one["cell"]["seed"] == seed))
