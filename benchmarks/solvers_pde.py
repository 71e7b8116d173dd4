"""py-pde on the same periodic problems, for benchmarks/solvers.py."""

from __future__ import annotations

import importlib
import importlib.util
import math
import time
import warnings
from typing import Any

import numpy as np
import torch

from heatproof.equation import SolvedProblem

__all__ = ["CELLS", "EXPRESSIONS", "solve_with_pde"]

CELLS = 64
EXPRESSIONS = {
    "heat_cosine": "0.25*laplace(u)",
    "heat_cosine_2d": "0.1*laplace(u)",
    "wind_cosine": "d_dx(u) + 0.1*laplace(u)",
    "diagonal_cosine": "0.3*d2_dx2(u) + 0.05*d2_dy2(u)",
    "correlated_cosine": "0.2*d2_dx2(u) + 0.3*d2_dy2(u) + 0.24*d_dx(d_dy(u))",
    "shear_sine": "sin(y)*d_dx(u) + 0.1*d2_dx2(u)",
}
"""The right side of u_t = …, with the default parameters of the catalogue."""


def solve_with_pde(case: SolvedProblem, x: torch.Tensor, repeat: int) -> dict[str, Any]:
    """Return error and seconds of py-pde; its values at x are interpolated by itself."""
    if importlib.util.find_spec("pde") is None:
        return {"remark": "not installed: pip install 'heatproof[benchmark]'"}
    pde: Any = importlib.import_module("pde")

    domain = case.problem.domain
    if domain is None:
        raise ValueError(f"{case.name} has no domain")
    bounds = list(zip(domain.low, domain.high, strict=True))
    grid = pde.CartesianGrid(bounds, [CELLS] * len(bounds), periodic=True)
    places = torch.as_tensor(np.stack([grid.cell_coords[..., i] for i in range(len(bounds))], axis=-1))
    flat = places.reshape(-1, len(bounds))
    initial = case.problem.initial(flat)[:, 0].numpy().reshape(grid.shape)
    step = _stable_step(case, flat, (domain.high[0] - domain.low[0]) / CELLS)
    equation, times = pde.PDE({"u": EXPRESSIONS[case.name]}), []
    for _ in range(1 + repeat):
        field = pde.ScalarField(grid, initial)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = equation.solve(field, t_range=case.problem.time, dt=step, solver="euler", tracker=None)
        times.append(time.perf_counter() - start)
    values = found.interpolate(x.numpy(), fill=np.nan)
    exact = case.exact(x, case.problem.time)[:, 0].numpy()
    remark = f"{CELLS} cells an axis, step {step:.2g}; first call {times[0]:.2g} s"
    return {"error": float(np.abs(values - exact).mean()), "seconds": min(times[1:]), "remark": remark}


def _stable_step(case: SolvedProblem, x: torch.Tensor, space_step: float) -> float:
    """Return nine tenths of 1/(Σ 2A_ii/h² + Σ|v_i|/h), and no more than central differences of v allow."""
    problem = case.problem
    diffusivities = problem.diffusion.matrix(x, 0.0).diagonal(dim1=1, dim2=2)
    speed = problem.velocity(x, 0.0).abs()
    rate = (2 * diffusivities / space_step**2 + speed / space_step).sum(dim=1).max()
    steps = float(rate) * problem.time / 0.9
    return problem.time / max(1, math.ceil(steps))
