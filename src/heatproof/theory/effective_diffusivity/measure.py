"""Effective diffusivity: the A that a network's noise induces along real inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_choice, check_inputs, check_number, check_whole, message
from heatproof._types import Progress, no_progress
from heatproof.errors import InputError
from heatproof.theory.effective_diffusivity._calls import Call, calls_of, check_calls
from heatproof.theory.effective_diffusivity._layers import named_layers, noisy_layers
from heatproof.theory.effective_diffusivity._point import Mode, Plan, Point, points_of
from heatproof.theory.effective_diffusivity._result import EffectiveDiffusivity, LayerDiffusivity
from heatproof.theory.effective_diffusivity._sources import Switches
from heatproof.theory.effective_diffusivity._summary import halves_of_variance, layer_of

__all__ = ["measure_diffusivity"]

_FALSE_ALARM = 1e-3
"""Probability with which a table of right formulas says that one of them differs (union bound)."""


def measure_diffusivity(
    model: nn.Module,
    x: Float[Tensor, "batch *event"],
    *,
    layers: Sequence[str] | None = None,
    draws: int = 128,
    block_time: float | None = None,
    mode: Mode = "training",
    confidence: float = 0.95,
    eigenvalues: int = 16,
    seed: int = 0,
    progress: Progress = no_progress,
) -> EffectiveDiffusivity:
    """Measure A = C/(2Δt) of every noisy layer, C the covariance of the layer's output at a fixed state.

    The states are those of the network without noise: x runs through it with all noise off, and each layer
    is then called `draws` times at each state that it saw. So C(x) is that of one step, as in the formulas,
    and does not hold what earlier noise does. Traces are estimated without bias, effective ranks by ratios of
    unbiased estimates, spectra from above and from below (see `LayerDiffusivity`).

    The model is not changed: its modes come back even on an error, and so does PyTorch's random state. While
    a layer is measured only its noise is in training mode: batch normalisation uses its running statistics.

    Args:
        model: any module that takes x. Its layers take one tensor, and treat each row on its own.
        x: real inputs, at least two: intervals are over inputs.
        layers: names of modules (`model.named_modules()`), or None for all that make noise: dropout and the
            like by itself, and the module around it where that keeps the shape, as a residual block does.
            Name the module to measure functional dropout, which follows that module's own mode.
        draws: at each state, at least 4 (four distinct draws estimate tr C² without bias).
        block_time: Δt of one layer; None is 1/(number of layers), for a network that takes one unit of time.
            ½ΣC does not depend on it.
        mode: `training` measures noise as in training; `evaluation` what `model.eval()` leaves of it.
        confidence: of each interval. eigenvalues: how many to report. seed: of the draws.
        progress: told after each state.

    Cost: inputs × draws passes of each layer, and draws²·d a state for the Gram matrix of the draws; never
    d × d. Memory: one state's draws in float64, and the states of all inputs.
    Errors: `InputError` for what is no module or has no noise, fewer than two inputs or four draws, layers
    that are not called, take more than one tensor or see noise that cannot be turned off;
    `UnknownNameError` with the nearest name for one that is none; `DataError` for states that are not finite.
    """
    plan = Plan(
        check_whole("draws", draws, at_least=4, advice="tr C² takes four draws."),
        check_whole("eigenvalues", eigenvalues),
        "training" if check_choice("mode", mode, ("training", "evaluation")) == "training" else "evaluation",
        check_whole("seed", seed, at_least=0),
    )
    check_number("confidence", confidence, above=0, below=1)
    if not isinstance(model, nn.Module):
        raise InputError(message("model", f"a {type(model).__name__}", "an nn.Module"), name="model")
    if len(check_inputs("x", x)) < 2:
        advice = "Intervals are over inputs; give two copies of one to have none."
        raise InputError(message("x", "one input", "at least two", advice), name="x")
    switches = Switches(model)
    with switches.restored(), _own_random_state(model, x):
        calls, left_out = _calls(model, x, layers, switches)
        time = 1 / len(calls) if block_time is None else check_number("block_time", block_time, above=0)
        points = _points(calls, plan, switches, progress)
    return EffectiveDiffusivity(
        layers=_rows(calls, points, time, confidence),
        left_out=tuple(left_out),
        inputs=len(x),
        draws=plan.draws,
        block_time=time,
        confidence=confidence,
        mode=plan.mode,
        seed=plan.seed,
    )


@contextmanager
def _own_random_state(model: nn.Module, x: Tensor) -> Iterator[None]:
    """Give PyTorch's generators their state back at the end."""
    devices = [tensor.device for tensor in (x, *model.parameters()) if tensor.device.type == "cuda"]
    with torch.random.fork_rng(devices=list(dict.fromkeys(devices))):
        yield


def _calls(
    model: nn.Module, x: Tensor, layers: Sequence[str] | None, switches: Switches
) -> tuple[list[Call], list[str]]:
    """Return the calls of the layers, with the states that they see without noise, and what is left out."""
    switches.silence()
    names, left_out = noisy_layers(model, x[:1]) if layers is None else (named_layers(model, layers), [])
    calls = calls_of(model, x, names)
    check_calls(calls, calls_of(model, x[:1], names), names)
    return calls, left_out


def _points(calls: Sequence[Call], plan: Plan, switches: Switches, progress: Progress) -> list[list[Point]]:
    """Measure each layer at each state."""
    total, done = sum(len(call.states) for call in calls), 0

    def step(note: str) -> None:
        nonlocal done
        done += 1
        progress(done, total, note)

    return [points_of(call, plan, switches, partial(step, call.label)) for call in calls]


def _rows(
    calls: Sequence[Call], points: Sequence[Sequence[Point]], block_time: float, confidence: float
) -> tuple[LayerDiffusivity, ...]:
    rows, accumulated = [], np.zeros(len(points[0]))
    alpha = _FALSE_ALARM / len(calls)
    for call, at_states in zip(calls, points, strict=True):
        accumulated = accumulated + halves_of_variance(at_states)
        rows.append(
            layer_of(call, at_states, accumulated, block_time=block_time, confidence=confidence, alpha=alpha)
        )
    return tuple(rows)
