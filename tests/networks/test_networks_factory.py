"""A network of one's own by name: refused untrusted, built trusted, every mistake one clear line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from heatproof.errors import InputError
from heatproof.networks import MLP, Factory, TimeConditioned, build

SOURCE = """
import torch
from torch import nn

NUMBER = 3

class Linear(nn.Module):
    def __init__(self, event_shape, classes, scale=1.0):
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.scale = scale
        self.layer = nn.Linear(torch.Size(event_shape).numel(), classes)

    def forward(self, x):
        return self.scale * self.layer(x.flatten(1))

class OwnTime(Linear):
    time_conditioned = True

    def forward(self, x, t=None):
        return super().forward(x) + (1.0 if t is None else t)

class Inside:
    make = Linear

def number(event_shape, classes):
    return 3

def fails(event_shape, classes):
    raise RuntimeError("no luck\\nat all")
"""


@pytest.fixture(autouse=True)
def own_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put modules of a user's on the path, and forget them afterwards."""
    (tmp_path / "own_networks.py").write_text(SOURCE)
    (tmp_path / "own_marks.py").write_text(
        "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n"
    )
    (tmp_path / "own_needs.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "own_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in [name for name in sys.modules if name.startswith("own_")]:
        monkeypatch.delitem(sys.modules, name)


def test_untrusted_runs_nothing(tmp_path: Path) -> None:
    settings = Factory(factory="own_marks:make")
    for attempt in (
        settings.build,
        lambda *a: build(settings, *a),
        lambda *a: build(settings, *a, trust=False),
    ):
        with pytest.raises(InputError, match=r"factory: got 'own_marks:make'; allowed: trusted.*trust=True"):
            attempt((2,), 2)
    assert not (tmp_path / "own_marks.ran").exists()
    with pytest.raises(InputError, match="has no 'make'"):
        build(settings, (2,), 2, trust=True)
    assert (tmp_path / "own_marks.ran").exists()  # so the check above can fail


def test_trusted_is_returned_as_it_is() -> None:
    settings = Factory(factory="own_networks:Linear", arguments={"scale": 2.0})
    model = build(settings, (1, 2, 2), 3, trust=True)
    assert type(model).__name__ == "Linear"
    assert set(model.state_dict()) == {"layer.weight", "layer.bias"}
    assert model.scale == 2.0
    assert model(torch.rand(5, 1, 2, 2)).shape == (5, 3)


def test_with_normalisation() -> None:
    torch.manual_seed(0)
    model = build(
        Factory(factory="own_networks:Inside.make"), (2, 3, 3), 2, [1.0, 2.0], [3.0, 4.0], trust=True
    )
    x = torch.rand(4, 2, 3, 3)
    by_hand = torch.stack([(x[:, 0] - 1) / 3, (x[:, 1] - 2) / 4], dim=1)
    torch.testing.assert_close(model(x), model.get_submodule("backbone")(by_hand))
    with pytest.raises(InputError, match="2 numbers for 5 channels"):
        build(Factory(factory="own_networks:Linear"), (5,), 2, [1.0, 2.0], [3.0, 4.0], trust=True)


def test_time_conditioned_asks_for_one_channel_more() -> None:
    settings = Factory(factory="own_networks:Linear", time_conditioned=True)
    model = build(settings, (3, 4, 4), 2, trust=True)
    assert isinstance(model, TimeConditioned)
    assert model.get_submodule("backbone").event_shape == (4, 4, 4)
    x = torch.rand(2, 3, 4, 4)
    assert not torch.equal(model(x, 0), model(x, 1))


def test_a_module_with_time_of_its_own() -> None:
    settings = Factory(factory="own_networks:OwnTime")
    x = torch.rand(2, 3)
    plain = build(settings, (3,), 2, trust=True)
    assert plain.time_conditioned
    normalised = build(settings, (3,), 2, [0.5], [2.0], trust=True)
    assert normalised.time_conditioned
    inner = normalised.get_submodule("backbone")
    torch.testing.assert_close(normalised(x, 0.25), inner((x - 0.5) / 2, 0.25))
    torch.testing.assert_close(normalised(x), inner((x - 0.5) / 2, 1.0))
    with pytest.raises(InputError, match=r"time-conditioned already.*Leave time_conditioned out"):
        build(Factory(factory="own_networks:OwnTime", time_conditioned=True), (3,), 2, trust=True)


@pytest.mark.parametrize(
    ("factory", "arguments", "says"),
    [
        ("own_absent:make", {}, "there is no module 'own_absent'.*PYTHONPATH"),
        ("own_networks.deeper:make", {}, "there is no module 'own_networks.deeper'"),
        ("own_needs:make", {}, "there is no module 'a_package_that_is_not_there'"),
        ("own_broken:make", {}, "import failed with ZeroDivisionError: division by zero"),
        ("own_networks:absent", {}, "'own_networks' has no 'absent'"),
        ("own_networks:Linear.absent", {}, "'own_networks' has no 'Linear.absent'"),
        ("own_networks:NUMBER", {}, "of type int; allowed: a function"),
        ("own_networks:number", {}, "returned int; allowed: a torch.nn.Module"),
        ("own_networks:fails", {}, "failed with RuntimeError: no luck at all"),
        ("own_networks:Linear", {"scal": 1}, "failed with TypeError: .*unexpected keyword argument 'scal'"),
    ],
)
def test_mistakes_are_one_line(factory: str, arguments: dict[str, int], says: str) -> None:
    settings = Factory(factory=factory, arguments=dict(arguments))
    with pytest.raises(InputError, match=says) as caught:
        build(settings, (2,), 2, trust=True)
    assert str(caught.value).startswith(f"factory: got '{factory}', ")
    assert "\n" not in str(caught.value)


def test_bad_shape_and_classes_before_any_code_runs(tmp_path: Path) -> None:
    settings = Factory(factory="own_marks:make")
    with pytest.raises(InputError, match="event_shape"):
        build(settings, (0,), 2, trust=True)
    with pytest.raises(InputError, match="classes"):
        build(settings, (2,), 1, trust=True)
    assert not (tmp_path / "own_marks.ran").exists()


def test_trust_changes_nothing_for_the_others() -> None:
    torch.manual_seed(0)
    one = build(MLP(widths=(3,)), (2,), 2, trust=True)
    torch.manual_seed(0)
    other = build(MLP(widths=(3,)), (2,), 2)
    x = torch.rand(3, 2)
    assert torch.equal(one(x), other(x))
