"""The learned solver: a network of points and time, trained until it satisfies the equation."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, Self, cast, final

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from heatproof._check import check_whole, message
from heatproof.equation import Domain, Problem, SolvedProblem
from heatproof.errors import InputError
from heatproof.networks import MLP, TimeConditioned
from heatproof.solvers._properties import Properties
from heatproof.solvers._solution import Solution
from heatproof.solvers._solver import Solver
from heatproof.solvers.learned._initial import smoothness_defect
from heatproof.solvers.learned._paths import leaving
from heatproof.solvers.learned._pool import Pool, trained_box
from heatproof.solvers.learned._train import measure, polish, sample, scale_of, walk
from heatproof.solvers.learned.fitted import FittedSolution

__all__ = ["LearnedSolver"]

_ROUGH = 0.1
_FRESH = 4096
_MOST_LEAVING = 0.1
_LARGEST_SHARE = 0.1
_REACH = 3.0
"""Inputs of the network lie in ±3: in ±1 tanh layers are nearly linear, and learn waves slowly."""


@final
class LearnedSolver(Solver):
    """u = f + (t − start)·N(x, t), N a dense network of points and time, trained on the residual alone.

    The loss is the mean square of u_t − v·∇u − tr(A∇²u) over points of the box and times (Lagaris, Likas &
    Fotiadis 1998; Raissi, Perdikaris & Karniadakis 2019); u = f at the start by construction. Derivatives are
    exact (collapsed Taylor mode). Adam on parts of a fixed set of points, then L-BFGS on all of it, float64.

    Nothing is said at the sides of the box: what is solved is the equation on the whole space, seen in the
    domain and `margin` times its lengths around it. Paths that leave that box bring values that only the
    smoothness of the network decides: `leaving` is their share, and above a tenth success is False. Take a
    margin of a few √(2σ²·time) and of the way that v goes. Domains whose sides matter (a Neumann or Dirichlet
    problem that is none of the whole space) are not for it.

    f must be twice differentiable by autograd: steps and piecewise-linear networks are refused. It promises
    little: it is an approximation of one solution, not an operator on f. A constant f stays (the outputs are
    scaled by the operator on f, which is 0). `Solution.numbers`: `residual` (rms on fresh points), its
    standard error, `largest_residual`, `start_residual` (that of u = f, to compare with), `error_estimate` =
    duration·largest_residual, which would bound the error (maximum principle) were the points all there are
    and did no path leave; `steps` of Adam. Success is False, too, where the loss was not finite or the
    residual is more than a tenth of what it was for u = f.

    `fit` trains once for many times and points; `solve` trains anew at each call. The same seed gives the
    same solution on the same machine. Cost: (steps·batch + polish·points·1.2)·(m + 2) passes forward and
    back, m the directions that diffuse: seconds in two dimensions.
    """

    properties: ClassVar[Properties] = Properties(
        order=None,
        random=False,
        monotone=False,
        keeps_range=False,
        linear=False,
        keeps_constants=True,
        keeps_mass=False,
        markov=False,
        differentiable=True,
    )

    name: Literal["learned"] = "learned"
    widths: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((48, 48), min_length=1)
    activation: Literal["tanh", "silu"] = "tanh"
    points: int = Field(2048, ge=32)
    batch: int = Field(512, ge=1)
    steps: int = Field(500, ge=0)
    polish: int = Field(400, ge=0)
    learning_rate: float = Field(5e-3, gt=0)
    margin: float = Field(0.25, ge=0)
    seed: int = Field(0, ge=0)

    def refusal(self, problem: Problem) -> str:
        """Return that there is no box to train in, or that f is not smooth."""
        if problem.domain is None:
            return "a problem without a domain (the network is trained in a box: give equation.Domain)"
        box = trained_box(problem.domain, self.margin)
        like = _usual_type(problem, box)
        with torch.inference_mode(mode=False):
            return "" if like is None else _roughness(problem, box, like)

    def refined(self, factor: int) -> Self:
        """Return the solver with `factor` times the points and the steps; no rate is known."""
        more = check_whole("factor", factor)
        return self.model_copy(update={"points": self.points * more, "steps": self.steps * more})

    def fit(self, problem: Problem, like: Tensor | None = None) -> FittedSolution:
        """Return the solution for the whole box and all times in [start, time].

        f is asked for points in the type and on the device of `like`: float64 on the CPU if left out, float32
        where f takes no other. Training is on the same device. Errors: `InputError` for a problem without a
        domain, or with an f that is not smooth. It trains under `torch.no_grad`, too.
        """
        with torch.inference_mode(mode=False), torch.enable_grad():
            return self._fit(problem, like)

    def _fit(self, problem: Problem, like: Tensor | None) -> FittedSolution:
        if problem.domain is None:
            raise _refused(self.name, self.refusal(problem))
        box, duration = trained_box(problem.domain, self.margin), problem.time - problem.start
        kind = _usual_type(problem, box) if like is None else like
        kind = torch.zeros((), dtype=torch.float64) if kind is None else kind
        why = _roughness(problem, box, kind)
        if why:
            raise _refused(self.name, why)
        taken = sample(problem, box, self.points, self.seed, kind, ends=True)
        network, scale = self._network(box, taken.source.shape[1]).to(taken.x), scale_of(taken)
        done = self._train(network, scale, taken, duration)
        network.requires_grad_(requires_grad=False)
        fresh = sample(problem, box, _FRESH, self.seed + 1, kind)
        numbers = {
            "steps": float(done),
            "leaving": leaving(problem, box, self.seed, kind),
            **measure(network, scale, fresh, duration),
        }
        trouble = _trouble(numbers)
        return FittedSolution(problem, network, scale, box, numbers, not trouble, trouble or "solved")

    def solve_and_compare(self, solved: SolvedProblem, x: Tensor, t: float | None = None) -> Solution:
        """Return the solution where another is known; its numbers also hold `error` and `rms_error`."""
        fitted = self.fit(solved.problem, x)
        end = solved.problem.time if t is None else t
        errors = fitted.error(solved.exact, x, end)
        return replace(_answer(fitted, x, end), numbers={**fitted.numbers, **errors})

    def solve_at(
        self, problem: Problem, x: Float[Tensor, "batch *event"], times: Sequence[float]
    ) -> Iterator[Solution]:
        """Yield u(x, t) for each time; trains once for all."""
        fitted = self.fit(problem, x)
        for t in times:
            yield _answer(fitted, x, t)

    def _solve(self, problem: Problem, x: Tensor, t: float) -> Solution:
        return _answer(self.fit(problem, x), x, t)

    def _network(self, box: Domain, values: int) -> TimeConditioned:
        """Return a new network with weights from the seed; inputs are scaled from the box to [−3, 3]."""
        middle = [(low + high) / 2 for low, high in zip(box.low, box.high, strict=True)]
        half = [length / (2 * _REACH) for length in box.lengths]
        settings = MLP(widths=self.widths, activation=self.activation, time_conditioned=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            network = settings.build((box.dimension,), max(values, 2), middle, half)
        return cast(TimeConditioned, network)

    def _train(self, network: TimeConditioned, scale: Tensor, taken: Pool, duration: float) -> int:
        """Train in place; return the number of Adam steps."""
        if not bool((scale > 0).any()):
            return 0  # f solves the equation itself
        done = walk(
            network,
            scale,
            taken,
            duration,
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            seed=self.seed,
        )
        if self.polish and done == self.steps:
            polish(network, scale, taken, duration, self.polish)
        return done


def _refused(name: str, why: str) -> InputError:
    """Return the error of a problem that is not for this method."""
    return InputError(message("problem", why, f"what {name} can solve"), name="problem")


def _trouble(numbers: dict[str, float]) -> str:
    """Return why the solution cannot be relied on, or ""."""
    if not math.isfinite(numbers["residual"]):
        return f"the loss was not finite after {numbers['steps']:.0f} steps: take a smaller learning_rate"
    if numbers["residual"] > _LARGEST_SHARE * numbers["start_residual"]:
        share = numbers["residual"] / numbers["start_residual"]
        return f"the residual is still {share:.0%} of that of u = f: more steps, polish, points or widths"
    if numbers["leaving"] > _MOST_LEAVING:
        return f"{numbers['leaving']:.0%} of the paths leave the box, and nothing is known there: more margin"
    return ""


def _answer(fitted: FittedSolution, x: Tensor, t: float) -> Solution:
    return Solution(fitted(x, t), None, fitted.numbers, fitted.success, fitted.sentence)


def _usual_type(problem: Problem, box: Domain) -> Tensor | None:
    """Return a float64 or float32 number, whichever f takes first, or None where it takes neither."""
    for kind in (torch.float64, torch.float32):
        try:
            problem.initial_values(torch.tensor([box.low], dtype=kind))
        except RuntimeError:  # another type or device
            continue
        return torch.zeros((), dtype=kind)
    return None


def _roughness(problem: Problem, box: Domain, like: Tensor) -> str:
    """Return that f is not smooth, in words, or ""."""
    defect = smoothness_defect(problem.initial_values, box, like)
    if defect <= _ROUGH:
        return ""
    return (
        f"an initial value that is not the integral of its first two derivatives by autograd (they miss "
        f"{defect:.0%}; a step, a kink, or steeper than 1/50 of the box; smooth it, by its heat flow over a "
        f"short time for instance)"
    )
