"""One and the same model and inputs from the first draw to the last, whatever the caller does meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest
import torch
from torch import Tensor, nn

from heatproof import networks
from heatproof.certification import Execution, SmoothedPredictor, best_of, certify, fingerprint
from heatproof.errors import InputError, ModelError

X = torch.tensor([[0.5, 0.0]])


class _Signed(nn.Module):
    """The sign of x₁, turned round by a plain attribute."""

    def __init__(self, sign: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
        self.sign = sign

    def forward(self, x: Tensor) -> Tensor:
        return self.sign * x @ self.weight.T


class _Closure(nn.Module):
    """A module whose forward goes through a closure: its copies call the original."""

    def __init__(self) -> None:
        super().__init__()
        linear = nn.Linear(4, 2)
        self.net = nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.9), linear)
        with torch.no_grad():
            linear.weight.copy_(torch.tensor([[0.0] * 4, [1.0] * 4]))
            linear.bias.copy_(torch.tensor([10.0, 0.0]))
        self.run: Callable[[Tensor], Tensor] = lambda x: self.net(x)  # noqa: PLW0108 - what is tested

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x)


class _Training(nn.Module):
    """A module that looks at the flag of the original through a closure, without calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.flag: Callable[[], bool] = lambda: self.training

    def forward(self, x: Tensor) -> Tensor:
        turned = -1.0 if self.flag() else 1.0
        return turned * self.weight * torch.stack([x[:, 0], -x[:, 0]], dim=1)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("kind", "label", "start"), [(_Closure, 1, 5.0), (_Training, 0, 0.5)])
def test_workers_do_not_follow_the_flags_of_the_original(
    kind: type[nn.Module], label: int, start: float
) -> None:
    """Its flags are back in training mode between certificates, while other threads go on."""
    model = kind().train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.full((30, 4), start) + torch.arange(30)[:, None] * 1e-3
    predictor = SmoothedPredictor(model, noise_std=0.25, execution=Execution(workers=2, batch_size=64))
    found = []
    for one in predictor.certify(x, predictor.settings(x, estimation_samples=1000)):
        found.append(one.label)
        time.sleep(0.005)
    assert found == [label] * 30
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("quiet", [False, True])
def test_weights_that_change_meanwhile(quiet: bool) -> None:
    model = _Signed()
    x = torch.tensor([[0.5, float(number)] for number in range(40)])
    stream = SmoothedPredictor(model, noise_std=0.25).certify(x)
    next(stream)
    with torch.no_grad():
        if quiet:
            model.weight.data.neg_()  # not counted by PyTorch: seen at the end
        else:
            model.weight.neg_()
    with pytest.raises(ModelError, match="changed while it was being certified"):
        list(stream)


def test_inputs_that_change_meanwhile() -> None:
    x = torch.tensor([[0.5, float(number)] for number in range(40)])
    stream = SmoothedPredictor(_Signed(), noise_std=0.25).certify(x)
    next(stream)
    x[:, 0] = -0.5
    assert {one.label for one in stream} == {0}


def test_plain_attributes_are_part_of_a_model(tmp_path: Path) -> None:
    assert fingerprint(_Signed(1.0)) != fingerprint(_Signed(-1.0))
    model = _Signed()
    predictor = SmoothedPredictor(model, noise_std=0.25)
    assert next(predictor.certify(X)).label == 0
    model.sign = -1.0
    assert next(predictor.certify(X)).label == 1
    store = tmp_path / "store.sqlite"
    first = certify(_Signed(1.0), X, noise_std=0.25, store=store)
    assert (first[0].label, certify(_Signed(-1.0), X, noise_std=0.25, store=store)[0].label) == (0, 1)
    with pytest.raises(InputError, match="two classifiers"):
        best_of(first, certify(_Signed(-1.0), X, noise_std=0.25, seed=1))


class _Merging(_Signed):
    """A module with a `train` of its own, as those that merge weights for evaluation."""

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.sign = 1.0 if mode else -1.0
        return self


def test_a_train_of_its_own_is_called() -> None:
    model = _Merging().train()
    assert certify(model, X, noise_std=0.25)[0].label == 1
    assert (model.training, model.sign) == (True, 1.0)
    assert int(model.eval()(X).argmax()) == 1


class _Counting(_Signed):
    def __init__(self) -> None:
        super().__init__()
        self.calls = nn.Buffer(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls.add_(1)
        return super().forward(x)


class _Noting(_Signed):
    seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return super().forward(x)


@pytest.mark.parametrize(
    ("model", "words"),
    [(_Counting(), "writes to its weights or buffers"), (_Noting(), "changes its attribute 'seen'")],
)
def test_models_that_change_themselves_are_refused(model: nn.Module, words: str) -> None:
    with pytest.raises(ModelError, match=f"^model: got a model that {words}"):
        certify(model, X, noise_std=0.25)


def test_a_store_knows_its_inputs_by_content(tmp_path: Path) -> None:
    store, index = tmp_path / "store.sqlite", torch.tensor([7])
    certify(_Signed(), X, noise_std=0.25, store=store, index=index)
    assert certify(_Signed(), X, noise_std=0.25, store=store, index=index)[0].label == 0
    with pytest.raises(InputError, match=r"^x: got other inputs at the indices of certification 1"):
        certify(_Signed(), -X, noise_std=0.25, store=store, index=index)


def test_interior_bounds_are_those_of_now() -> None:
    block = nn.Linear(2, 2, bias=False)
    chain = networks.DiffusionChain([block], [1.0], nn.Linear(2, 2, bias=False))
    predictor = SmoothedPredictor(networks.InteriorClassifier(chain, (2,)))
    with torch.no_grad():
        block.weight.mul_(10)
    with pytest.raises(InputError, match="computed after the last change of weights"):
        predictor.certify(X)
