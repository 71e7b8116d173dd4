"""What full radii cost: average certified radius lost against draws saved, for several stopping rules.

    python benchmarks/radius_mode.py [--json] [--probabilities FILE.npz] [--every K] [--noise-std S]

Simulates radius mode (the stopping rule that the certifier uses, fed Bernoulli draws; the certifier's 32
selection draws an input are counted in) against a fixed number of draws equal to the horizon.
Probabilities: spread ones, Φ(z) with z ~ N(0.6, 1.2²), 5 tables of 500; or those of a file (array `p`, every
K-th). `loss` is the average certified radius at the fixed number minus that of radius mode, `saving` the
ratio of draws. `tolerance` and `price` are in units of noise_std, `price` for one draw: `certify` takes both
times noise_std.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr

from heatproof.certification._procedure import procedure
from heatproof.noise import Gaussian
from heatproof.statistics import RadiusRule, gaussian_radii
from heatproof.statistics.forecast import forecast_radius

RULES: tuple[dict[str, Any], ...] = (
    *({"tolerance": tolerance} for tolerance in (0.2, 0.12, 0.08, 0.05, 0.03, 0.01)),
    *({"tolerance": 0.0, "price": price} for price in (2e-5, 8e-6, 4e-6, 2e-6, 1e-6)),
    *({"tolerance": tolerance, "any_time": True} for tolerance in (0.12, 0.05)),
)
_SELECTION: int = procedure(Gaussian(noise_std=1.0), 1, method="radius")["selection_samples"]


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--probabilities", type=Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--noise-std", type=float, default=0.25)
    options = parser.parse_args()
    if options.probabilities:
        p, seeds = np.load(options.probabilities)["p"][:: options.every].astype(np.float64), 20
    else:
        p, seeds = ndtr(np.random.default_rng(0).normal(0.6, 1.2, 2_500)), 4
    rows = [_row(settings, p, options.noise_std, seeds) for settings in RULES]
    if options.json:
        print(json.dumps({"inputs": len(p), "seeds": seeds, "rows": rows}))
        return
    print("| tolerance | price | any time | draws (mean) | saving | loss of ACR |\n|---|---|---|---|---|---|")
    for row in rows:
        knobs = f"| {row['tolerance']:g} | {row['price']:g} | {'yes' if row['any_time'] else 'no'} "
        print(f"{knobs}| {row['mean_samples']:,.0f} | {row['saving']:.1f}× | {row['loss']:.4f} |")


def _row(settings: dict[str, Any], p: np.ndarray, noise_std: float, seeds: int) -> dict[str, float | bool]:
    rule = RadiusRule(**settings)
    found = forecast_radius(rule, p, gaussian_radii, seeds=seeds, selection=_SELECTION)
    return {
        "tolerance": rule.tolerance,
        "price": rule.price,
        "any_time": rule.any_time,
        "mean_samples": found.cost.mean_samples,
        "saving": (rule.horizon + found.cost.selection_samples) / found.cost.mean_samples,
        "loss": noise_std * (found.fixed_n_acr - found.acr),
        "fixed_n_acr": noise_std * found.fixed_n_acr,
    }


if __name__ == "__main__":
    main()
