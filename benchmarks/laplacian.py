"""What each Laplacian estimator costs, and how far it is from the trace of the Hessian.

    python benchmarks/laplacian.py [--json] [--quick] [--repeat N] [--draws N] [--values K]

A tanh network 512-512 with K values (10), standard normal points (8; 1 where d = 3072), float32, one thread,
no gradients. In one run, for d = 2, 64, 784, 3072:

* seconds: processor time, all contestants in turns, N turns (7) after one to warm up: the least, the median,
  the most; `forward passes` is the median over that of one pass over the points;
* peak bytes: tensors made and alive at a time, counted below autograd in one more call
  (`laplacian_memory.LiveBytes`; what one kernel allocates and frees within itself is not seen);
* bias and variance, in float64, over N draws (400) at each point, every difference stepping 0.1 far: the root
  mean square over points and values of (mean − exact), with its standard error, and the mean variance with
  that of the formula; all over the mean square of the exact Laplacian (bias: over its root).

`collapsed by hand` is collapsed Taylor mode written out for this network (Dangel et al. 2025), all directions
at once: the reference that `autodiff`, which takes any network, should reach.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import Any

import torch
from laplacian_contestants import ESTIMATORS, contestants, hessians, network, space_step, variance
from laplacian_memory import peak_bytes
from torch import Tensor, nn

from heatproof.equation.laplacian import Coordinates, Estimator, estimate
from heatproof.runs.environment import environment

POINTS = {2: 8, 64: 8, 784: 8, 3072: 1}
FASTER, SMALLER, PASSES = 2.0, 10.0, 20.0


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="d = 2 and 64, few turns and draws")
    parser.add_argument("--repeat", type=int)
    parser.add_argument("--draws", type=int)
    parser.add_argument("--values", type=int, default=10)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    turns, draws = chosen.repeat or (2 if chosen.quick else 7), chosen.draws or (50 if chosen.quick else 400)
    result: dict[str, Any] = {"machine": _machine(), "points": POINTS, "values": chosen.values, "rows": []}
    with torch.no_grad():
        for dimension in (2, 64) if chosen.quick else POINTS:
            result["rows"] += _measured(dimension, chosen.values, turns, draws)
    result["targets"] = _targets(result["rows"])
    print(json.dumps(result, indent=2) if chosen.json else _page(result))


def _measured(dimension: int, values: int, turns: int, draws: int) -> list[dict[str, Any]]:
    """Return a row for each contestant at this dimension."""
    model = network(dimension, values)
    x = torch.randn(POINTS[dimension], dimension, generator=torch.Generator().manual_seed(1))
    calls = contestants(model, x)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(turns + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            if turn:
                seconds[name].append(time.process_time() - start)
    forward = statistics.median(seconds["forward pass"])
    errors = _errors(model.double(), x.double(), draws)
    model.float()
    return [
        {
            "dimension": dimension,
            "contestant": name,
            "seconds": {"least": min(each), "median": statistics.median(each), "most": max(each)},
            "forward_passes": statistics.median(each) / forward,
            "peak_bytes": peak_bytes(calls[name]),
            **errors.get(name, {}),
        }
        for name, each in seconds.items()
    ]


def _errors(model: nn.Module, x: Tensor, draws: int) -> dict[str, dict[str, float]]:
    """Return bias and variance of each estimator."""
    hessian = torch.cat([hessians(model, point[None]) for point in x])
    exact = hessian.diagonal(dim1=2, dim2=3).sum(dim=-1)
    fitting = {
        name: way
        for name, way in ESTIMATORS.items()
        if not isinstance(way, Coordinates) or way.coordinates <= x.shape[1]
    }
    return {
        name: _error(way, model, x, exact, draws if way.random else 1)
        | {"variance_formula": float(variance(way, hessian).mean() / exact.square().mean())}
        for name, way in fitting.items()
    }


def _error(way: Estimator, model: nn.Module, x: Tensor, exact: Tensor, draws: int) -> dict[str, float]:
    source, step = torch.Generator().manual_seed(2), space_step(way, x.shape[1])
    found = torch.stack([estimate(way, model, x, step, source) for _ in range(draws)])
    spread = found.var(dim=0) if draws > 1 else torch.zeros_like(exact)
    size = exact.square().mean()
    return {
        "bias": float(((found.mean(dim=0) - exact).square().mean() / size).sqrt()),
        "bias_standard_error": float((spread.mean() / draws / size).sqrt()),
        "variance": float(spread.mean() / size),
    }


def _targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return each figure that was asked for, beside what was measured."""
    at = {(row["dimension"], row["contestant"]): row for row in rows}
    targets = []
    for dimension in sorted({row["dimension"] for row in rows}):
        auto, full = at[dimension, "autodiff"], at[dimension, "torch.func.hessian"]
        hand = at[dimension, "collapsed by hand"]
        asked = (FASTER, SMALLER) if dimension == 784 else (None, None)
        medians = [one["seconds"]["median"] for one in (auto, full, hand)]
        passes = at[dimension, "directions m = 8"]["forward_passes"]
        targets += [
            _target(
                dimension, "autodiff: times faster than the full Hessian", medians[1] / medians[0], asked[0]
            ),
            _target(
                dimension,
                "autodiff: times smaller than the full Hessian",
                full["peak_bytes"] / auto["peak_bytes"],
                asked[1],
            ),
            _target(dimension, "autodiff: time over collapsed by hand", medians[0] / medians[2], None),
            _target(dimension, "directions m = 8: forward passes", passes, PASSES, most=True),
        ]
    return targets


def _target(
    dimension: int, what: str, measured: float, asked: float | None, *, most: bool = False
) -> dict[str, Any]:
    met = None if asked is None else (measured < asked if most else measured >= asked)
    return {"dimension": dimension, "what": what, "measured": measured, "asked": asked, "met": met}


def _page(result: dict[str, Any]) -> str:
    """Return everything as text."""
    lines = [", ".join(f"{name} {value}" for name, value in result["machine"].items()), ""]
    heads = ["d", "contestant", "ms (least, median, most)", "forward passes", "peak MiB", "bias ± error"]
    lines += [f"| {' | '.join([*heads, 'variance', 'formula'])} |", "|---" * 8 + "|"]
    for row in result["rows"]:
        times = ", ".join(f"{1e3 * row['seconds'][one]:.3g}" for one in ("least", "median", "most"))
        cells = [row["dimension"], row["contestant"], times, f"{row['forward_passes']:.3g}"]
        cells.append(f"{row['peak_bytes'] / 2**20:.3g}")
        if "bias" in row:
            cells.append(f"{row['bias']:.2g} ± {row['bias_standard_error']:.2g}")
            cells += [f"{row[name]:.3g}" for name in ("variance", "variance_formula")]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines.append("")
    for one in result["targets"]:
        asked = (
            "" if one["asked"] is None else f" (asked {one['asked']:g}, {'met' if one['met'] else 'MISSED'})"
        )
        lines.append(f"d = {one['dimension']}, {one['what']}: {one['measured']:.3g}{asked}")
    return "\n".join(lines)


def _machine() -> dict[str, Any]:
    return {**environment(), "load": os.getloadavg()}


if __name__ == "__main__":
    main()
