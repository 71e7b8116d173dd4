"""Every solver on problems with a known solution: error, observed order, seconds; py-pde beside the grid.

    python benchmarks/solvers.py [--json] [--quick] [--refine K] [--problem NAME …]

One thread. `error` is the mean |found − exact| over 40 points at the end, with the solver's default settings,
or K times finer ones; `order` is log₂ of the ratio of errors from these settings to half the step
(deterministic solvers, smooth data); `standard error` the mean of what the solver says of itself; `seconds`
the best of `--repeat`.
py-pde (extra `benchmark`) solves the periodic problems on the same cells with the largest stable explicit
step, by its own default backend; its first call, which compiles, is told apart.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from solvers_pde import EXPRESSIONS, solve_with_pde

from heatproof.equation import SolvedProblem
from heatproof.equation.problems import find_problem, names
from heatproof.runs.environment import environment
from heatproof.solvers import SOLVERS, Solver

QUICK = ("heat_cosine", "rotation_transport", "rotating_gaussian", "correlated_cosine")
COLUMNS = ("problem", "solver", "error", "standard error", "order", "stated", "seconds", "remark")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="four problems, no learned solver")
    parser.add_argument("--problem", action="append", choices=names(), help="only this one; may be repeated")
    parser.add_argument("--repeat", type=int, default=3, help="times each solution is timed (best is told)")
    parser.add_argument("--refine", type=int, default=1, help="settings K times finer than the defaults")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = options.problem or (QUICK if options.quick else names())
    left_out = {"learned"} if options.quick else set()
    repeat, finer = max(1, options.repeat), max(1, options.refine)
    rows = [row for name in chosen for row in rows_of(name, repeat, left_out, finer)]
    if options.json:
        print(json.dumps({"environment": environment(), "rows": rows}, allow_nan=False))
        return
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for row in rows:
        print(f"| {' | '.join(_cell(row.get(column)) for column in COLUMNS)} |")


def rows_of(name: str, repeat: int, left_out: set[str], finer: int = 1) -> Iterator[dict[str, Any]]:
    """Yield one row a solver that takes the problem, and one of py-pde where it is asked to."""
    case = find_problem(name)
    x = case.points(40, torch.Generator().manual_seed(0))
    for label, kind in SOLVERS.items():
        solver = kind.from_mapping({}).refined(finer)
        if label not in left_out and not solver.refusal(case.problem):
            yield {"problem": name, "solver": label, **_row(solver, case, x, repeat)}
    if name in EXPRESSIONS:
        yield {"problem": name, "solver": "py-pde", **solve_with_pde(case, x, repeat)}


def _row(solver: Solver, case: SolvedProblem, x: torch.Tensor, repeat: int) -> dict[str, Any]:
    """Return error, order and time of one solver on one problem."""
    stated = solver.properties.order
    times = []
    for _ in range(1 if solver.name == "learned" else repeat):
        start = time.perf_counter()
        found = solver.solve(case.problem, x)
        times.append(time.perf_counter() - start)
    error = mean_error(case, x, found.values)
    row: dict[str, Any] = {"error": error, "stated": stated, "seconds": min(times)}
    if found.standard_error is not None:
        row["standard error"] = float(found.standard_error.mean())
    if not found.success:
        row["remark"] = found.sentence
    if stated and case.smooth and not solver.properties.random and error > 1e-12:
        finer = mean_error(case, x, solver.refined(2).solve(case.problem, x).values)
        row["order"] = math.log2(error / finer) if finer > 0 else None
    return row


def mean_error(case: SolvedProblem, x: torch.Tensor, values: torch.Tensor) -> float:
    """Return the mean |values − exact| at the end."""
    return float((values - case.exact(x, case.problem.time)).abs().mean())


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return "" if value is None else str(value)


if __name__ == "__main__":
    main()
