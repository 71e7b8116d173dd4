"""Execution: private copies, fixed passes, deterministic votes, workers side by side."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from heatproof import networks as hn
from heatproof._types import Classifier
from heatproof.certification._adapters import BlackBox
from heatproof.certification._model import AtTimeZero
from heatproof.certification.sampling.execution import Execution
from heatproof.certification.sampling.forward import Forward, prepare
from heatproof.errors import InputError, ModelError

EVENT = torch.Size((1, 16, 16))
CPU = torch.device("cpu")


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return hn.LeNet().build(EVENT, 4, [0.5], [0.25])


@pytest.fixture
def x() -> Tensor:
    return torch.rand(150, *EVENT, generator=torch.Generator().manual_seed(1))


def _eager(model: Classifier, x: Tensor) -> Tensor:
    with torch.no_grad():
        return model(x)


# Settings


@pytest.mark.parametrize(
    ("event", "cpu", "gpu"),
    [((2,), 1024, 8192), ((1, 28, 28), 128, 8192), ((3, 32, 32), 64, 2048), ((3, 224, 224), 64, 256)],
)
def test_rows_follow_from_the_size_of_an_input(event: tuple[int, ...], cpu: int, gpu: int) -> None:
    shape = torch.Size(event)
    assert Execution().rows(shape, CPU) == cpu
    assert Execution().rows(shape, torch.device("cuda")) == gpu
    assert Execution(batch_size=7).rows(shape, CPU) == 7


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"workers": 0}, "workers"),
        ({"workers": 1.5}, "workers"),
        ({"precision": "float16"}, "precision"),
        ({"compile": 1}, "compile"),
        ({"channel_last": True}, "channels_last"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        Execution(**settings)


def test_what_a_model_or_its_inputs_do_not_allow_is_refused(model: nn.Module) -> None:
    refusals: list[tuple[Classifier, torch.Size, dict[str, Any], str]] = [
        (lambda x: x, EVENT, {"channels_last": True}, "a function"),
        (lambda x: x, EVENT, {"compile": True}, "a function"),
        (BlackBox(lambda x: x, classes=2), EVENT, {"precision": "bfloat16"}, "a black box"),
        (model, torch.Size((5,)), {"channels_last": True}, r"shape \(5,\)"),
        (nn.Linear(5, 2).double(), torch.Size((5,)), {"precision": "bfloat16"}, "float64"),
    ]
    for refused, event, settings, words in refusals:
        with pytest.raises(InputError, match=f"got.*{words}.*allowed"):
            prepare(refused, Execution(**settings), event)


class Uncopied(nn.Module):
    """A module that copy.deepcopy fails on, and that counts how often it was used for training."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        logits: Tensor = self.layer(x)
        return logits


def test_a_module_that_cannot_be_copied_is_used_itself_and_left_in_training() -> None:
    uncopied = Uncopied().train()
    (forward,) = prepare(uncopied, Execution(workers=3), torch.Size((3,)))
    assert not forward(torch.ones(4, 3)).requires_grad
    assert uncopied.training
    with pytest.raises(ModelError, match="cannot be copied, or whose copy calls the original"):
        prepare(uncopied, Execution(compile=True), torch.Size((3,)))


# The user's model


@pytest.mark.parametrize(
    "settings", [{}, {"channels_last": True}, {"precision": "bfloat16"}, {"deterministic": True}]
)
def test_the_model_is_never_changed(model: nn.Module, x: Tensor, settings: dict[str, object]) -> None:
    model.train()
    before = {
        name: (value.clone(), value.stride(), value.dtype) for name, value in model.state_dict().items()
    }
    for forward in prepare(model, Execution(workers=2, **settings), EVENT):
        forward(x)
    assert all(module.training for module in model.modules())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name][0])
        assert (value.stride(), value.dtype) == before[name][1:]
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


def test_copies_share_parameters_but_no_buffers() -> None:
    model = hn.ResNet(depth=8).build((3, 8, 8), 3)
    passes = prepare(model, Execution(workers=3), torch.Size((3, 8, 8)))
    assert len(passes) == 3
    names = [name for name, _ in model.named_parameters()]
    for forward in passes:
        assert isinstance(forward.network, nn.Module)
        assert all(forward.network.get_parameter(name) is model.get_parameter(name) for name in names)
        assert not {id(b) for b in forward.network.buffers()} & {id(b) for b in model.buffers()}
    assert len({id(forward.network) for forward in passes}) == 3


@pytest.mark.parametrize(
    ("settings", "tolerance"),
    [
        ({}, 0.0),
        ({"channels_last": True}, 1e-5),
        ({"precision": "bfloat16"}, 0.03),
        ({"batch_size": 32}, 1e-5),
    ],
)
def test_the_answers_are_the_models(
    model: nn.Module, x: Tensor, settings: dict[str, object], tolerance: float
) -> None:
    wanted = torch.cat([_eager(model, part) for part in x.split(512)])
    for forward in prepare(model, Execution(**settings), EVENT):
        torch.testing.assert_close(forward(x).float(), wanted, atol=tolerance, rtol=0.0)


def test_bfloat16_is_another_classifier(model: nn.Module, x: Tensor) -> None:
    (forward,) = prepare(model, Execution(workers=1, precision="bfloat16"), EVENT)
    assert forward(x).dtype == torch.bfloat16
    assert not torch.is_autocast_enabled("cpu")


def test_a_function_is_autocast_too_and_double_is_fed_double() -> None:
    weight = torch.ones(2, 3)
    (forward,) = prepare(lambda x: x @ weight.T, Execution(precision="bfloat16"), torch.Size((3,)))
    assert forward(torch.ones(4, 3)).dtype == torch.bfloat16
    (forward,) = prepare(nn.Linear(3, 2).double(), Execution(workers=1), torch.Size((3,)))
    assert forward(torch.ones(4, 3)).dtype == torch.float64


def test_time_zero_is_kept() -> None:
    torch.manual_seed(0)
    timed = hn.MLP(widths=(8,), time_conditioned=True).build((2,), 3)
    points = torch.rand(5, 2)
    for forward in prepare(AtTimeZero(timed), Execution(workers=2), torch.Size((2,))):
        torch.testing.assert_close(forward(points), _eager(lambda x: timed(x, 0.0), points))
        assert (forward(points) != _eager(timed, points)).any()


# Fixed passes


class Rounding(nn.Module):
    """Rounds by the company: adds to each row 2⁻²⁰ times (rows of the pass + place in it)."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.shapes.append(len(x))
        places = torch.arange(len(x))[:, None]
        return x + 2.0**-20 * (len(x) + places)


def _logits(forward: Forward, x: Tensor, sizes: list[int], *, placed: bool) -> Tensor:
    parts, start = [], 0
    for size in sizes:
        parts.append(forward(x[start : start + size], start % forward.rows if placed else 0))
        start += size
    return torch.cat(parts)


SIZES = [[40], [8, 8, 24], [1] * 40, [16, 8, 16], [32, 8], [3, 37]]


@pytest.mark.parametrize("sizes", SIZES)
def test_a_row_of_a_fixed_pass_knows_only_its_place(sizes: list[int]) -> None:
    values = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    network = Rounding()
    fixed = Forward(network, rows=16, device=CPU, fixed=True)
    wanted = values + 2.0**-20 * (16 + torch.arange(40) % 16)[:, None]
    assert torch.equal(_logits(fixed, values, sizes, placed=True), wanted)
    assert set(network.shapes) == {16}


def test_without_fixed_passes_rows_know_their_company() -> None:
    values = torch.rand(40, 3, generator=torch.Generator().manual_seed(0))
    free = Forward(Rounding(), rows=16, device=CPU)
    answers = [_logits(free, values, sizes, placed=False) for sizes in SIZES]
    assert not all(torch.equal(answers[0], answer) for answer in answers)


@pytest.mark.parametrize("precision", ["own", "bfloat16"])
def test_deterministic_logits_are_the_same_to_the_last_bit(
    model: nn.Module, x: Tensor, precision: str
) -> None:
    execution = Execution(deterministic=True, batch_size=32, workers=2, precision=precision)
    one, other = prepare(model, execution, EVENT)
    wanted = _logits(one, x, [150], placed=True)
    for sizes in ([8] * 18 + [6], [64, 64, 22], [1] * 32 + [118], [5, 145]):
        assert torch.equal(_logits(other, x, sizes, placed=True), wanted)


def test_one_thread_computes_a_deterministic_pass(model: nn.Module, x: Tensor) -> None:
    seen: list[int] = []
    model.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
    (forward,) = prepare(model, Execution(deterministic=True, workers=1), EVENT)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        forward(x)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_an_answer_of_another_length_is_not_hidden_by_padding() -> None:
    broken = Forward(lambda x: x[:5], rows=16, device=CPU, fixed=True)
    assert len(broken(torch.ones(3, 2))) == 5


COMPILED = """
import sys, torch
from torch._dynamo.utils import counters
from heatproof import networks as hn
from heatproof._types import Classifier
from heatproof.certification.sampling.execution import Execution
from heatproof.certification.sampling.forward import prepare
from heatproof.certification.sampling.workers import Workers
torch.manual_seed(0)
event = torch.Size((1, 16, 16))
timed = hn.LeNet(time_conditioned=True).build(event, 4, [0.5], [0.25])
from heatproof.certification._model import AtTimeZero
x = torch.rand(150, *event)
for model in (hn.LeNet().build(event, 4, [0.5], [0.25]), AtTimeZero(timed)):
    for settings in ({}, {"precision": "bfloat16", "channels_last": True}):
        counters.clear()
        passes = prepare(model, Execution(compile=True, workers=2, batch_size=32, **settings), event)
        with Workers(passes) as workers:
            got = torch.cat(list(workers.map(lambda forward, part: forward(part), x.split(20))))
        with torch.no_grad():
            torch.testing.assert_close(got.float(), model(x), atol=0.05 if settings else 1e-5, rtol=0.0)
        assert counters["stats"]["unique_graphs"] == 1, counters["stats"]
print("compiled")
"""

UNCOMPILED = """
import torch
from heatproof.certification.sampling.execution import Execution
from heatproof.certification.sampling.forward import prepare
from heatproof.errors import InputError
model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Tanh())
try:
    prepare(model, Execution(compile=True), torch.Size((3,)))
except InputError as error:
    print(error)
"""


def _python(code: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_compiled_passes_answer_the_same_in_every_thread_from_one_graph() -> None:
    assert _python(COMPILED).endswith("compiled\n")


def test_without_a_compiler_it_says_so(tmp_path: object) -> None:
    said = _python(UNCOMPILED, CXX="/nowhere/g++", TORCHINDUCTOR_CACHE_DIR=str(tmp_path))
    assert said.startswith("compile: got true, but ")
    assert said.endswith("Install a compiler, or leave compile off.\n")
    assert said.count("\n") == 1
