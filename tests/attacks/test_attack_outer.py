"""The outer call: budget enforced, success decided anew, the model given back, bad input refused."""

from __future__ import annotations

import math
from typing import Any, final

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from heatproof._types import Classifier
from heatproof.attacks import NORMS, attack
from heatproof.attacks._attack import Attack, Case
from heatproof.attacks._outer import run_attack
from heatproof.errors import DataError, GradientMaskingWarning, InputError, ModelError, UnknownNameError


def _linear(points: Tensor) -> Tensor:
    score = points.flatten(1).sum(dim=1) - 0.25
    return torch.stack([-score, score], dim=1)


def _pair(rows: int = 6, *event: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(rows, *(event or (3,)), generator=torch.Generator().manual_seed(0))
    return x, _linear(x).argmax(dim=1)


@final
class _Cheat(Attack):
    """Claims points far outside the budget, where the model errs."""

    needs_gradients = False

    def __init__(self, value: float) -> None:
        self.value = value

    def run(self, logits: Classifier, case: Case) -> Tensor:
        del logits
        return torch.full_like(case.x, self.value)


@final
class _Misshapen(Attack):
    needs_gradients = False

    def run(self, logits: Classifier, case: Case) -> Tensor:
        del logits
        return case.x[:, :1]


@pytest.mark.parametrize("value", [-1e6, 1e30, math.nan, math.inf])
@pytest.mark.parametrize("norm", sorted(NORMS))
def test_an_attack_that_cheats_is_held_to_the_budget_and_wins_nothing(value: float, norm: str) -> None:
    x, y = _pair()
    x, y = x + 1.0, torch.ones_like(y)  # the class changes at a distance of at least (3 − .25)/√3
    result = run_attack(_Cheat(value), _linear, x, y, norm=norm, radius=0.1, input_range=(0.0, 2.0))
    assert not bool(result.success.any())
    assert bool((result.distance <= 0.1).all())
    assert float(result.adversarial.min()) >= 0.0
    assert float(result.adversarial.max()) <= 2.0
    wide = run_attack(_Cheat(-1e6), _linear, x, y, norm=norm, radius=10.0)
    assert bool(wide.success.all())


def test_an_attack_that_returns_another_shape_is_refused() -> None:
    x, y = _pair()
    with pytest.raises(InputError, match=r"attack: got points of shape \(6, 1\); allowed: shape \(6, 3\)"):
        run_attack(_Misshapen(), _linear, x, y, norm="l2", radius=0.1)


@given(
    norm=st.sampled_from(sorted(NORMS)),
    radius=st.floats(1e-9, 50),
    double=st.booleans(),
    box=st.none() | st.tuples(st.floats(-3, 0), st.floats(0.1, 3)),
    event=st.sampled_from([(1,), (4,), (1, 3, 3)]),
    steps=st.integers(1, 4),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=120, deadline=None)
def test_every_point_keeps_the_budget(
    *,
    norm: str,
    radius: float,
    box: tuple[float, float] | None,
    event: tuple[int, ...],
    steps: int,
    seed: int,
    double: bool,
) -> None:
    generator = torch.Generator().manual_seed(seed)
    dtype = torch.float64 if double else torch.float32
    weight = torch.randn(math.prod(event), 3, generator=generator, dtype=dtype)
    x = 2 * torch.randn(5, *event, generator=generator, dtype=dtype)
    low, high = torch.tensor(box or (-torch.inf, torch.inf), dtype=dtype).tolist()
    x = x.clamp(low, high)

    def model(points: Tensor) -> Tensor:
        return (points.flatten(1) @ weight).sin()

    y = model(x).argmax(dim=1)
    result = attack(model, x, y, norm=norm, radius=radius, steps=steps, restarts=2, input_range=box)
    measured = NORMS[norm].measure(result.adversarial.double() - x.double())
    assert torch.equal(measured, result.distance)
    assert bool((measured <= radius).all())
    assert float(result.adversarial.min()) >= low
    assert float(result.adversarial.max()) <= high
    assert torch.equal(result.success, model(result.adversarial).argmax(dim=1) != y)


def test_a_range_that_single_precision_rounds_is_met_by_data_at_its_ends() -> None:
    x = torch.tensor([[0.1, 0.7], [0.3, 0.1]])
    result = attack(_linear, x, _linear(x).argmax(dim=1), radius=0.2, input_range=(0.1, 0.7))
    assert bool(((result.adversarial >= x.min()) & (result.adversarial <= x.max())).all())


class _Moody(nn.Module):
    """Batch norm, dropout, a frozen part, and a submodule left in another mode than its parent."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(3, 2)
        self.head.bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        if self.norm.training or self.drop.training:
            raise AssertionError("not in evaluation mode")
        logits: Tensor = self.head(self.drop(self.norm(x)))
        return logits


def _state(model: nn.Module) -> list[Any]:
    flags = [(name, module.training) for name, module in model.named_modules()]
    needs = [(name, one.requires_grad, one.grad) for name, one in model.named_parameters()]
    return [flags, needs]


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_given_back_as_it_was(*, fails: bool) -> None:
    torch.manual_seed(0)
    model = _Moody()
    model.norm.eval()
    before, buffers = _state(model), {name: one.clone() for name, one in model.named_buffers()}
    x, _ = _pair()
    y = torch.zeros(6, dtype=torch.int64)
    if fails:
        with pytest.raises(ModelError):
            attack(model, x, y + 5, radius=0.1)
    else:
        attack(model, x, y, radius=0.1)
    assert _state(model) == before
    for name, one in model.named_buffers():
        assert torch.equal(one, buffers[name])


def test_inputs_and_random_state_are_left_alone() -> None:
    x, y = _pair()
    x.requires_grad_(True)
    copy, state = x.detach().clone(), torch.get_rng_state()
    result = attack(_linear, x, y, radius=0.5, restarts=2)
    assert torch.equal(x.detach(), copy)
    assert x.requires_grad
    assert x.grad is None
    assert not result.adversarial.requires_grad
    assert torch.equal(torch.get_rng_state(), state)


def test_it_works_where_gradients_are_switched_off() -> None:
    x, y = _pair()
    wanted = attack(_linear, x, y, radius=0.3)
    with torch.no_grad():
        assert torch.equal(attack(_linear, x, y, radius=0.3).adversarial, wanted.adversarial)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        inner = attack(_linear, x.clone(), y.clone(), radius=0.3)
    assert torch.equal(inner.adversarial, wanted.adversarial)


def test_progress_ends_at_the_total() -> None:
    x, y = _pair()
    seen: list[tuple[int, int]] = []

    def tell(done: int, total: int, note: str = "") -> None:
        assert note
        seen.append((done, total))

    attack(_linear, x, y, radius=0.3, batch_size=4, progress=tell)
    assert seen == [(4, 6), (6, 6)]


def test_the_accuracies_carry_their_intervals() -> None:
    x, y = _pair()
    result = attack(_linear, x, 1 - y, radius=0.3)
    assert result.natural_accuracy.value == result.robust_accuracy.value == 0.0
    assert result.robust_accuracy.trials == 6
    assert 0.4 < result.robust_accuracy.high < 0.5  # 1 − .025^(1/6) = .459
    assert bool(result.success.all())
    assert (result.norm, result.radius) == ("l2", 0.3)


BAD: list[tuple[dict[str, Any], type[InputError], str]] = [
    ({"radius": 0.0}, InputError, r"radius: got 0\.0; allowed: a finite number > 0"),
    ({"radius": -1.0}, InputError, r"radius: got -1\.0"),
    ({"radius": math.nan}, InputError, "radius: got nan"),
    ({"steps": 0}, InputError, "steps: got 0; allowed: a whole number ≥ 1"),
    ({"restarts": 0}, InputError, "restarts: got 0"),
    ({"batch_size": 0}, InputError, "batch_size: got 0"),
    ({"seed": -1}, InputError, "seed: got -1"),
    ({"norm": "l_inf"}, UnknownNameError, "norm: got 'l_inf'; allowed: l2, linf.*Did you mean 'linf'"),
    ({"loss": "margins"}, UnknownNameError, "Did you mean 'margin'"),
    ({"x": torch.rand(3)}, InputError, r"x: got torch.float32 of shape \(3,\).*x\[None\]"),
    ({"x": torch.rand(6, 3).half()}, InputError, "x: got torch.float16; allowed: float32 or float64"),
    ({"x": torch.ones(6, 3, dtype=torch.int64)}, InputError, "x: got torch.int64"),
    ({"x": torch.full((6, 3), math.nan)}, DataError, "6 of 6 rows with NaN"),
    ({"y": torch.zeros(5, dtype=torch.int64)}, DataError, r"y: got torch.int64 of shape \(5,\)"),
    ({"y": torch.zeros(6)}, DataError, "y: got torch.float32"),
    ({"y": torch.full((6,), -1)}, DataError, "y: got 6 labels outside, the first is -1 at row 0"),
    ({"y": torch.full((6,), 2)}, ModelError, r"model output: .*shape \(6, 2\); .*K ≥ 3.*labels go up to 2"),
    ({"input_range": (0.0, 0.5)}, DataError, "x: got values from .* inside input_range"),
    ({"input_range": (1.0, 0.0)}, InputError, "input_range: got .*low < high"),
    ({"input_range": (0.0, math.inf)}, InputError, r"input_range\[1\]: got inf"),
    ({"index": torch.arange(5)}, DataError, r"index: .*shape \(5,\); allowed: an int64 tensor"),
    ({"start": torch.rand(6, 2)}, DataError, r"start: got shape \(6, 2\); allowed: the shape of x, \(6, 3\)"),
    ({"start": torch.full((6, 3), math.inf)}, DataError, "start: got 6 of 6 rows"),
]


@pytest.mark.parametrize(("change", "kind", "words"), BAD)
def test_bad_input_is_refused_in_words(change: dict[str, Any], kind: type[InputError], words: str) -> None:
    x, y = _pair()
    request: dict[str, Any] = {"x": x, "y": y, "radius": 0.1} | change
    with pytest.raises(kind, match=words) as caught:
        attack(_linear, **request)
    assert type(caught.value) is kind


MODELS: list[tuple[Classifier, str]] = [
    (lambda x: x.flatten(1).sum(dim=1), r"torch.float32 of shape \(6,\); allowed: finite"),
    (lambda x: x[:, :1], r"shape \(6, 1\).*K ≥ 2"),
    (lambda x: x[:2], r"shape \(2, 3\)"),
    (lambda x: x * math.nan, "NaN or infinite logits for 6 of 6 inputs"),
    (lambda x: (x > 0.5).long(), "torch.int64 of shape"),
    (lambda x: [x], "model output: got list"),  # type: ignore[list-item, return-value]
    (lambda x: x @ torch.ones(5, 2), r"model: got RuntimeError \(mat1 and mat2.*torch.float32 inputs"),
    (lambda x: x.double() @ torch.ones(3, 2), "model: got RuntimeError .*Check that shape, dtype"),
    (lambda x: _linear(x).detach(), "logits without gradient.*Remove detach"),
    (lambda x: nn.functional.one_hot(_linear(x).argmax(dim=1), 2).float(), "logits without gradient"),
    (lambda x: _linear(x.detach()) * torch.ones(2, requires_grad=True), "logits without gradient"),
]


@pytest.mark.parametrize(("model", "words"), MODELS)
def test_a_model_that_breaks_its_contract_is_refused_in_words(model: Classifier, words: str) -> None:
    x, y = _pair()
    with pytest.raises(ModelError, match=words):
        attack(model, x, y.clamp(max=1), radius=0.1)


def test_a_model_that_fails_only_away_from_the_inputs_is_refused_too() -> None:
    def model(points: Tensor) -> Tensor:
        return _linear(points) + torch.where(points.amin() < 0, math.nan, 0.0)

    x, y = _pair()
    with pytest.raises(ModelError, match="NaN or infinite logits"):
        attack(model, x, y, radius=2.0)


def test_running_out_of_memory_and_interrupts_are_not_called_a_model_error() -> None:
    x, y = _pair()

    def hungry(points: Tensor) -> Tensor:
        del points
        raise torch.OutOfMemoryError("out of memory")

    def stopped(points: Tensor) -> Tensor:
        del points
        raise KeyboardInterrupt

    with pytest.raises(torch.OutOfMemoryError):
        attack(hungry, x, y, radius=0.1)
    with pytest.raises(KeyboardInterrupt):
        attack(stopped, x, y, radius=0.1)


def test_gradients_that_are_zero_nearly_everywhere_are_called_masked() -> None:
    def steps(points: Tensor) -> Tensor:
        return _linear((points * 8).round() / 8 + 0 * points)

    def saturated(points: Tensor) -> Tensor:
        return 1e4 * _linear(points)

    x, y = _pair()
    with pytest.warns(GradientMaskingWarning, match="exactly 0 at 6 of 6 attacked inputs"):
        attack(steps, x, y, radius=0.1)
    with pytest.warns(GradientMaskingWarning, match="'margin'"):
        attack(saturated, x, y, radius=0.1, loss="cross_entropy")
    attack(saturated, x, y, radius=0.1)  # any warning is an error here: the margin is not masked
