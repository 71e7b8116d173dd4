"""What every objective keeps: cost as stated, one generator, refusals of wrong models and labels."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cases.objectives import OBJECTIVES, STILL, Spy, batch, seeded
from heatproof.errors import DataError, InputError, ModelError
from heatproof.networks import MLP
from heatproof.objectives import (
    ConvectionDiffusion,
    GaussianAugmentation,
    Natural,
    Objective,
)

PARTS = {
    "natural": {"cross_entropy"},
    "gaussian_augmentation": {"cross_entropy"},
    "convection_diffusion": {"cross_entropy", "residual"},
    "stability": {"cross_entropy", "stability"},
    "consistency": {"cross_entropy", "consistency", "entropy"},
    "adversarial_drift": {"cross_entropy", "consistency", "entropy"},
    "macer": {"cross_entropy", "radius_hinge"},
    "input_gradient_penalty": {"cross_entropy", "penalty"},
    "smoothadv": {"cross_entropy"},
    "smoothmix": {"cross_entropy", "mixture"},
    "adversarial": {"cross_entropy"},
    "trades": {"cross_entropy", "divergence"},
    "weighted_sum": {"natural.cross_entropy"}
    | {f"consistency{k}.{part}" for k in (1, 2) for part in ("cross_entropy", "consistency", "entropy")},
}


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize("event", [(4,), (1, 2, 3)])
class TestEvery:
    def test_cost_is_what_it_says(self, objective: Objective, event: tuple[int, ...]) -> None:
        spy, (x, y) = Spy(), batch(6, *event)
        objective(spy, x, y, seeded()).total.backward()
        passes = objective.passes(math.prod(event))
        assert (spy.rows, spy.backward_rows) == (6 * passes.forward, 6 * passes.backward)
        assert objective.evaluations(math.prod(event)) == (passes.forward + passes.backward) / 2
        assert spy.weight.grad is not None

    def test_all_randomness_is_the_generators(self, objective: Objective, event: tuple[int, ...]) -> None:
        spy, (x, y) = Spy(), batch(6, *event)
        before = torch.get_rng_state()
        first = objective(spy, x, y, seeded(5)).total.item()
        assert torch.equal(torch.get_rng_state(), before)
        torch.rand(3)
        assert objective(spy, x, y, seeded(5)).total.item() == first
        deterministic = objective in STILL or "axes" in repr(objective)
        assert (objective(spy, x, y, seeded(6)).total.item() == first) == deterministic

    def test_inputs_stay_as_they_were(self, objective: Objective, event: tuple[int, ...]) -> None:
        x, y = batch(6, *event)
        before = x.clone(), y.clone()
        objective(Spy(), x, y, seeded())
        assert torch.equal(x, before[0])
        assert torch.equal(y, before[1])

    def test_parts_are_named_scalars(self, objective: Objective, event: tuple[int, ...]) -> None:
        losses = objective(Spy(), *batch(6, *event), seeded())
        assert losses.total.shape == ()
        assert all(part.shape == () for part in losses.parts.values())
        assert set(losses.parts) == PARTS[objective.name]


def test_the_spy_counts_every_way_back() -> None:
    """None without gradient, one for natural, two where the gradient is itself differentiated and no more."""
    spy, (x, y) = Spy(), batch()
    with torch.no_grad():
        Natural()(spy, x, y, seeded())
    assert (spy.rows, spy.backward_rows) == (6, 0)
    points = x.clone().requires_grad_()
    loss = Natural()(spy, points, y, seeded()).total
    (slope,) = torch.autograd.grad(loss, points, create_graph=True)
    assert (spy.rows, spy.backward_rows) == (12, 6)
    slope.sum().backward()  # back through the way back, then through the network
    assert (spy.rows, spy.backward_rows) == (12, 18)


def test_default_costs_four() -> None:
    assert ConvectionDiffusion(noise_std=1).evaluations(3072) == 4
    assert ConvectionDiffusion(noise_std=1, laplacian="axes").evaluations(64) == 2 + 128


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_times_are_exact_fractions_and_end_at_one(dtype: torch.dtype) -> None:
    for steps in (1, 2, 3, 10, 41, 49, 107):
        spy, (x, y) = Spy(), batch(1)
        ConvectionDiffusion(noise_std=1, time_step=round(1 / steps, 11))(spy, x.to(dtype), y, seeded())
        times = spy.t[: steps + 1]
        assert times.dtype == dtype
        assert times.tolist() == (torch.arange(steps + 1).to(dtype) / steps).tolist()
        assert float(spy.t.max()) == 1.0
        assert float(spy.t[steps + 1 :].max()) < 1.0  # no pair at the end of the last step


def test_natural_is_cross_entropy() -> None:
    model, (x, y) = nn.Linear(4, 3), batch()
    with torch.no_grad():
        expected = -torch.log_softmax(model(x), dim=1)[torch.arange(6), y].mean()
        found = Natural()(model, x, y, seeded()).total
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_gaussian_noise_has_its_standard_deviation() -> None:
    """200,000 draws; mean and variance each two-sided at a false-alarm level of 1e-5 (|z| < 4.42)."""
    count, std = 200_000, 0.35
    x = torch.full((count // 100, 100), 0.2, dtype=torch.float64)
    spy, y = Spy(), torch.zeros(len(x), dtype=torch.int64)
    GaussianAugmentation(noise_std=std)(spy, x, y, seeded(3))

    def z_scores(noise: Tensor) -> tuple[float, float]:
        mean, variance = float(noise.mean()), float(noise.pow(2).mean())
        return mean * math.sqrt(count), (variance - 1) * math.sqrt(count / 2)

    noise = (spy.x - x).flatten() / std
    assert all(abs(z) < 4.42 for z in z_scores(noise))
    assert abs(z_scores(noise / math.sqrt(2))[1]) > 100  # √2 apart, the classic mistake, is refuted
    assert abs(z_scores(1.02 * noise)[1]) > 4.42


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize(
    ("output", "got"),
    [
        (lambda x: x.sum(1), r"shape \(\d+,\)"),
        (lambda x: x[:, :, None], r"shape \(\d+, 4, 1\)"),
        (lambda x: x[:-1], r"shape \(\d*[1379], 4\)|shape \(\d*5, 4\)"),
        (lambda x: x.T, r"shape \(4, \d+\)"),
        (lambda x: (x, x), "tuple"),
        (lambda x: x.long(), "torch.int64"),
        (lambda _: None, "NoneType"),
    ],
)
def test_wrong_outputs_are_refused(objective: Objective, output: Callable[[Tensor], Any], got: str) -> None:
    class Wrong(Spy):
        def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
            del t
            wrong: Tensor = output(x)
            return wrong

    with pytest.raises(ModelError, match="model output: got") as caught:
        objective(Wrong(), *batch(), seeded())
    assert re.search(got, str(caught.value))
    assert "floating-point logits of shape" in str(caught.value)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
@pytest.mark.parametrize("label", [-100, -1, 2])
def test_labels_outside_the_classes_are_refused(objective: Objective, label: int) -> None:
    """−100 is the label that PyTorch's cross-entropy leaves out without a word."""
    x, y = batch()
    y[3] = label
    with pytest.raises(DataError, match=f"first is {label} at row 3"):
        objective(Spy(), x, y, seeded())


@pytest.mark.parametrize("objective", OBJECTIVES, ids=str)
def test_an_empty_batch_is_refused(objective: Objective) -> None:
    x, y = batch()
    with pytest.raises(InputError, match="B ≥ 1"):
        objective(Spy(), x[:0], y[:0], seeded())


def test_a_model_without_time_is_refused() -> None:
    objective, model = ConvectionDiffusion(noise_std=1), MLP(widths=()).build((4,), 2)
    for attempt in (lambda: objective.check(model, 4), lambda: objective(model, *batch(), seeded())):
        with pytest.raises(InputError, match="Normalised without time") as caught:
            attempt()
        assert "time-conditioned model (model(x, t))" in str(caught.value)
        assert "TimeConditioned" in str(caught.value)


def test_time_may_be_known_outside_or_inside_of_a_wrapper() -> None:
    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module, *, timed: bool) -> None:
            super().__init__()
            self.module, self.time_conditioned = module, timed

        def forward(self, x: Tensor, t: Tensor) -> Tensor:
            logits: Tensor = (
                self.module(x, t) if getattr(self.module, "time_conditioned", False) else x * t[:, None]
            )
            return logits

    for wrapper in (Wrapper(nn.Identity(), timed=True), Wrapper(Spy(), timed=False)):
        ConvectionDiffusion(noise_std=1).check(wrapper, 4)


TYPES = """
import torch
from cases.objectives import OBJECTIVES
from heatproof.errors import InputError
from heatproof.networks import MLP

x, good = torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
labels = [good.int(), good.float(), good.bool(), good[:, None], good[:1], good[:3], good[0],
          torch.rand(4, 2).softmax(1), torch.eye(2)[good], good[None], torch.zeros(0, dtype=torch.int64)]
inputs = [x.long(), x[:, 0], x[:, :0], x > 0]
model = MLP(widths=(4,), time_conditioned=True).build((2,), 2)
generator = torch.Generator()
for objective in OBJECTIVES:
    objective(model, x, good, generator)
    for xx, y in [(x, y) for y in labels] + [(x, good) for x in inputs]:
        try:
            found = objective(model, xx, y, generator)
        except InputError as error:
            assert "got" in str(error) and "allowed" in str(error), error
        else:
            raise SystemExit(f"{objective}: {xx.dtype} {xx.shape}, {y.dtype} {y.shape} gave {found}")
print("refused")
"""


def test_wrong_types_and_shapes_are_never_broadcast() -> None:
    """In a fresh process, because the test suite's own run-time checks would stop these earlier."""
    done = subprocess.run(
        [sys.executable, "-c", TYPES],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.strip() == "refused"
