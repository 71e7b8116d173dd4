"""The convection–diffusion objective: fit the labels, and obey the heat equation over the diffusion stage.

The time-conditioned network g(x, t), t ∈ [0, 1], stands for the solution on the last unit of time
(arXiv 2307.12333, the split model): u_t = σ²Δu with u(·, 0) the network before diffusion. At the discrete
times t_k = kτ, k = 0…1/τ,

    L  = L1 + λ·L2
    L1 = mean over inputs and all k of CE(g(x, t_k), y)
    L2 = mean over inputs and k ≥ 1 of ‖(g(x, t_k) − g(x, t_{k−1}))/τ − σ²·Δ_h g(x, t_{k−1})‖²

with g in L2 the class probabilities (bounded, so that the comparison principle applies) or the logits.

At the stability bound, with one direction, the residual is
(g(x, t) − ½·g(x + hξ, t − τ) − ½·g(x − hξ, t − τ))/τ: agreement with an antithetic pair of noisy views.
`HeatFlow` is what is left of it when g(x, t) takes its best value.
"""

from __future__ import annotations

import warnings
from typing import Annotated, Literal, Self

import torch
from jaxtyping import Float, Int64
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor, nn

from heatproof._check import message
from heatproof._specification import named
from heatproof.equation import diffusivity_of, noise_std_of
from heatproof.equation.laplacian import DifferenceLaplacian, Directions
from heatproof.errors import InputError, StabilityWarning
from heatproof.noise import Gaussian
from heatproof.noise.additive import draw
from heatproof.objectives._evaluations import Points, Values
from heatproof.objectives._noisy import copies_cross_entropy
from heatproof.objectives._objective import Losses, Objective, Passes, cross_entropy, logits_of

__all__ = ["ConvectionDiffusion"]


class ConvectionDiffusion(Objective):
    """L = L1 + λ·L2 (see the module's text). Needs a time-conditioned model.

    Fields:
        noise_std, diffusivity: s or σ² = s²/2 over the unit of time; give exactly one.
        weight: λ.
        time_step: τ; 1/τ must be a whole number, to six digits (then τ is 1 over that number exactly).
        laplacian: `directions` (2m evaluations), `axes` (2d) or `coordinates` (2m, on m of the d axes).
        space_step: h; left out, it stands at the stability bound (`axes` and `coordinates` h = √(2dτσ²),
            `directions` h = √(2τσ²)). A smaller one is taken, with a `StabilityWarning`: the explicit step is
            then no convex combination, errors of short wavelength grow, and training may diverge.
        residual_of: "probabilities" or "logits".
        residual_at: "data" (the points x) or "noisy" (points x + s·ξ, where the smoothed network is asked,
            drawn anew each step). L1 stays at x.
        labels_at: where L1 asks before the last time: "data", at x as in the paper; or "views", at the points
            x ± offset of the Laplacian, which are evaluated anyway: L1 is then the mean of CE(g(x, 1), y) and
            the mean over k < 1/τ of CE at the views at t_k. At the stability bound g(x, t_{k−1}) drops out of
            the residual, and for τ = 1 is not evaluated at all.
        stop_gradient: side of the residual that is taken as constant: "none", "after" (g at t_k) or "before"
            (all values at t_{k−1}).
        unbiased: squaring a random Laplacian adds σ⁴ times its variance to L2, which itself penalises spread
            under noise. False keeps that term (the default: it is what makes the objective act at m = 1);
            True takes the product ⟨r₁, r₂⟩ of two independent halves, whose mean is the squared residual,
            at twice the evaluations of the Laplacian. With `axes`, nothing is random and both agree.

    Cost: 1/τ + 1 + 2·pairs/τ forward and backward passes (the last term twice if unbiased and not `axes`;
    with `residual_at="noisy"` also 1/τ, or 1/τ + 1 if h is not the bound; with `labels_at="views"` one less
    at the bound). At the default 4, with labels at the views 3.
    """

    name: Literal["convection_diffusion"] = "convection_diffusion"
    noise_std: float | None = Field(None, ge=1e-9, le=1e9)
    diffusivity: float | None = Field(None, ge=1e-18, le=1e18)
    weight: float = Field(10.0, ge=0, le=1e9)
    time_step: float = Field(1.0, ge=1e-3, le=1)
    laplacian: Annotated[DifferenceLaplacian, BeforeValidator(named)] = Directions()
    space_step: float | None = Field(None, ge=1e-9, le=1e9)
    residual_of: Literal["probabilities", "logits"] = "probabilities"
    residual_at: Literal["data", "noisy"] = "data"
    labels_at: Literal["data", "views"] = "data"
    stop_gradient: Literal["none", "after", "before"] = "none"
    unbiased: bool = False

    @model_validator(mode="after")
    def _check_coefficients(self) -> Self:
        if (self.noise_std is None) == (self.diffusivity is None):
            got = "neither" if self.noise_std is None else "both"
            raise InputError(message("noise_std or diffusivity", got, "exactly one of the two"))
        if abs(self.time_step * self.steps - 1) > 1e-5:
            raise InputError(
                message("time_step", self.time_step, "1/k for a whole number k"), name="time_step"
            )
        return self

    @property
    def sigma_squared(self) -> float:
        """The diffusivity σ², however it was given."""
        if self.diffusivity is not None:
            return self.diffusivity
        return diffusivity_of(self.equation_noise_std)

    @property
    def equation_noise_std(self) -> float:
        """√(2σ²), the standard deviation of the heat flow over the diffusion stage: all times are trained."""
        return self.noise_std if self.noise_std is not None else noise_std_of(self.diffusivity or 0.0)

    @property
    def smoothing_noise(self) -> Gaussian:
        """The heat kernel of the diffusion stage."""
        return Gaussian(noise_std=self.equation_noise_std)

    @property
    def steps(self) -> int:
        """1/τ, the number of time steps."""
        return round(1 / self.time_step)

    def passes(self, dimension: int) -> Passes:
        """Return the number of points that one input is evaluated at, of each."""
        times, residual_times = self._times(dimension)
        views = 2 * self._sets * self.laplacian.pairs(dimension) * self.steps
        count = len(times) + len(residual_times) + views
        return Passes(count, count)

    def _times(self, dimension: int) -> tuple[list[int], list[int]]:
        """Return the k at which x is evaluated, and the k of the residual's points where they are others."""
        labels = [self.steps] if self.labels_at == "views" else list(range(self.steps + 1))
        first = 0 if self._kept(dimension) else 1
        residual = list(range(first, self.steps + 1))
        if self.residual_at == "noisy":
            return labels, residual
        return sorted({*labels, *residual}), []

    def _kept(self, dimension: int) -> float:
        """Return the weight that g(x, t − τ) keeps in the explicit step; 0 at the stability bound."""
        if self.space_step is None:
            return 0.0
        pairs = self.laplacian.pairs(dimension)
        weight = self.laplacian.weight(self.space_step, dimension)
        return 1 - 2 * pairs * weight * self.sigma_squared / self.steps

    @property
    def _sets(self) -> int:
        return 2 if self.unbiased and self.laplacian.random else 1

    def stable_space_step(self, dimension: int) -> float:
        """Return the smallest h under which the explicit step keeps the comparison principle."""
        return self.laplacian.smallest_space_step(self.sigma_squared, 1 / self.steps, dimension)

    def chosen_space_step(self, dimension: int) -> float:
        """Return h: the one given, or the stability bound."""
        return self.space_step or self.stable_space_step(dimension)

    def check(self, model: nn.Module, dimension: int) -> None:
        """Require a time-conditioned model; warn (`StabilityWarning`) if h is under the bound.

        Errors: `InputError` for a model without time, or more `coordinates` than the input has.
        """
        _require_time(model)
        self.laplacian.pairs(dimension)
        bound = self.stable_space_step(dimension)
        if self.chosen_space_step(dimension) < bound * (1 - 1e-9):
            allowed = f"≥ {bound:g}, the stability bound"
            text = message("space_step", f"{self.space_step:g}", allowed, "Training may diverge.")
            warnings.warn(text, StabilityWarning, stacklevel=2)

    def likely_knob(self, dimension: int) -> str:
        """Name space_step where it is under the bound."""
        bound = self.stable_space_step(dimension)
        if self.chosen_space_step(dimension) >= bound * (1 - 1e-9):
            return ""
        return (
            f"Most likely space_step = {self.space_step:g} is under the stability bound {bound:g}: "
            "raise it, or leave it out."
        )

    def _losses(
        self,
        model: nn.Module,
        x: Float[Tensor, "batch *event"],
        y: Int64[Tensor, " batch"],
        generator: torch.Generator,
    ) -> Losses:
        """Return L with parts `cross_entropy` (L1) and `residual` (L2). One joint forward pass.

        Memory grows with all `evaluations` of the batch at once. Errors: those of every objective;
        `InputError` if the model takes no time.
        """
        _require_time(model)
        points = self._points(x, generator)
        logits = logits_of(model(points.x, points.times), len(points.x)).unflatten(0, (-1, len(x)))
        values = points.split(logits)
        second = self._residual(values, points.step, x[0].numel())
        first = self._labels(values, y)
        return Losses(first + self.weight * second, {"cross_entropy": first, "residual": second})

    def _points(self, x: Tensor, generator: torch.Generator) -> Points:
        """Return everywhere that the network is asked."""
        step = self.chosen_space_step(x[0].numel())
        times = self._times(x[0].numel())
        centre = x
        if times[1]:
            centre = x + draw(self.smoothing_noise, x, 1, generator)[0]
        offsets = [self._offsets(centre, step, generator) for _ in range(self.steps)]
        return Points.of(x, centre, times, offsets, step)

    def _offsets(self, x: Tensor, step: float, generator: torch.Generator) -> Tensor:
        return torch.cat([self.laplacian.offsets(x, step, generator) for _ in range(self._sets)])

    def _labels(self, values: Values, y: Tensor) -> Tensor:
        """Return L1."""
        if self.labels_at == "data":
            return torch.stack([cross_entropy(values.at_data[k], y) for k in range(self.steps + 1)]).mean()
        at_views = copies_cross_entropy(values.views.flatten(0, 1), y)
        return (cross_entropy(values.at_data[self.steps], y) + at_views) / 2

    def _residual(self, values: Values, step: float, dimension: int) -> Tensor:
        """Return L2, of the explicit step with h = `step`."""
        read = (lambda logits: logits.softmax(dim=-1)) if self.residual_of == "probabilities" else _same
        centre = values.centre
        after = torch.stack([read(centre[k]) for k in range(1, self.steps + 1)])  # (1/τ, B, K)
        views = read(values.views).unflatten(1, (2, self._sets, -1)).sum(dim=1)  # (1/τ, S, J, B, K)
        spread = self.laplacian.weight(step, dimension) * self.sigma_squared / self.steps
        before = spread * views.sum(dim=2)  # (1/τ, S, B, K)
        kept = self._kept(dimension)
        if kept:
            before = before + kept * torch.stack([read(centre[k]) for k in range(self.steps)])[:, None]
        after = after.detach() if self.stop_gradient == "after" else after
        before = before.detach() if self.stop_gradient == "before" else before
        residuals = (after[:, None] - before) * self.steps
        product: Tensor = residuals[:, 0] * residuals[:, -1]
        return product.sum(dim=-1).mean()


def _same(logits: Tensor) -> Tensor:
    return logits


def _require_time(model: nn.Module) -> None:
    wrapped = getattr(model, "module", None)  # by DistributedDataParallel
    if not any(getattr(one, "time_conditioned", False) for one in (model, wrapped)):
        advice = (
            "Set time_conditioned on the network; a module of your own, which must take one more feature or "
            "channel (the time), becomes one by heatproof.networks.TimeConditioned(module)."
        )
        got = f"{type(model).__name__} without time"
        raise InputError(
            message("model", got, "a time-conditioned model (model(x, t))", advice), name="model"
        )
