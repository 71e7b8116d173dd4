"""Settings: YAML there and back, errors that help, counts of parameters, the union by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import yaml

from heatproof._specification import Specification
from heatproof.errors import InputError, UnknownNameError
from heatproof.networks import (
    MLP,
    Factory,
    LeNet,
    NetworkBase,
    NetworkSettings,
    PotentialFlowNetwork,
    ResidualMLP,
    ResNet,
    StochasticDepthNoise,
    VisionTransformer,
    WideResNet,
    build,
    describe,
    names,
    parameters,
)

SOME: list[NetworkBase] = [
    MLP(),
    MLP(widths=(), activation="tanh"),
    MLP(widths=(3, 4, 5), time_conditioned=True),
    LeNet(time_conditioned=True),
    ResidualMLP(width=7, depth=2, activation="silu"),
    ResNet(depth=110, widen=10, width=8),
    WideResNet(depth=28, widen=10, dropout=0.3, noise_layers=StochasticDepthNoise(survival=0.8)),
    PotentialFlowNetwork(gain=None, padding="circular", activation="tanh"),
    VisionTransformer(patch=2, positions="sines", pooling="class_token", time_conditioned=True),
    Factory(factory="some.module:make.inner", arguments={"a": [1, 2.5, None], "b": {"c": "d"}}),
]


class Configuration(Specification):
    network: NetworkSettings


@pytest.mark.parametrize("kind", SOME, ids=str)
def test_yaml_there_and_back(kind: NetworkBase) -> None:
    text = yaml.safe_dump(kind.to_mapping())
    assert type(kind).from_mapping(yaml.safe_load(text)) == kind
    whole = Configuration.from_mapping({"network": yaml.safe_load(text)})
    assert whole.network == kind
    assert type(whole.network) is type(kind)


@pytest.mark.parametrize(
    ("kind", "event", "count"),
    [
        (LeNet(), (1, 28, 28), 431_080),
        (ResNet(), (3, 32, 32), 269_722),
        (ResNet(depth=110), (3, 32, 32), 1_727_962),
        (MLP(), (784,), 784 * 512 + 512 + 512 * 512 + 512 + 512 * 10 + 10),
        (MLP(widths=()), (1, 28, 28), 7_850),
    ],
    ids=str,
)
def test_parameter_counts(kind: NetworkBase, event: tuple[int, ...], count: int) -> None:
    assert parameters(kind.build(event, 10)) == count


def test_time_costs_one_input() -> None:
    def more(kind: NetworkBase, event: tuple[int, ...]) -> int:
        timed = kind.model_copy(update={"time_conditioned": True})
        return parameters(timed.build(event, 10)) - parameters(kind.build(event, 10))

    assert more(MLP(widths=(32,)), (1, 8, 8)) == 32  # one feature, not one for each of the 64 pixels
    assert more(ResidualMLP(width=32), (64,)) == 32
    assert more(LeNet(), (1, 28, 28)) == 20 * 5 * 5
    assert more(ResNet(), (3, 32, 32)) == 16 * 3 * 3


def test_parameters_counts_what_is_trained_once() -> None:
    model = MLP(widths=(3,)).build((2,), 2, [0.0, 0.0], [1.0, 1.0])
    assert parameters(model) == 3 * 3 + 4 * 2  # no buffers
    next(model.parameters()).requires_grad_(False)
    assert parameters(model) == 3 * 3 + 4 * 2 - 6
    shared = torch.nn.Linear(4, 4)
    assert parameters(torch.nn.Sequential(shared, shared)) == 20


@pytest.mark.parametrize(
    "kind", [MLP, LeNet, ResidualMLP, ResNet, WideResNet, PotentialFlowNetwork, VisionTransformer]
)
def test_unknown_key_names_the_nearest(kind: type[NetworkBase]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'time_conditioned'") as caught:
        kind.from_mapping({"time_condition": True})
    assert caught.value.nearest == "time_conditioned"


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        (MLP, {"widths": [0]}, r"widths\.0: got 0; allowed: .*greater than or equal to 1"),
        (MLP, {"widths": [2.5]}, r"widths\.0: got 2\.5"),
        (MLP, {"widths": 512}, r"widths: got 512; allowed: a valid tuple"),
        (MLP, {"widths": [True]}, r"widths\.0: got True"),
        (MLP, {"activation": "rely"}, "Did you mean 'relu'"),
        (MLP, {"name": "lenet"}, "name: got 'lenet'; allowed: mlp"),
        (ResidualMLP, {"depth": 0}, "depth: got 0"),
        (ResidualMLP, {"width": -1}, "width: got -1"),
        (ResidualMLP, {"depth": 1_000_000_000}, "depth: got 1000000000; allowed: less than or equal"),
        (ResNet, {"depth": 21}, r"got 21; allowed: 6n \+ 2 .*the nearest are 20 and 26"),
        (ResNet, {"depth": 18}, "nearest are 14 and 20"),
        (ResNet, {"depth": 0}, "nearest is 8"),
        (ResNet, {"depth": -4}, "nearest is 8"),
        (ResNet, {"depth": 10**9}, "nearest is 1202"),
        (ResNet, {"depth": "deep"}, "depth: got 'deep'"),
        (ResNet, {"widen": 0}, "widen: got 0"),
        (ResNet, {"width": None}, "width: got None"),
        (LeNet, {"time_conditioned": "perhaps"}, "time_conditioned: got 'perhaps'"),
        (Factory, {}, r"factory: got nothing"),
        (Factory, {"factory": "module"}, "factory: got 'module'; allowed: package.module:function"),
        (Factory, {"factory": "a.b:"}, "package.module:function"),
        (Factory, {"factory": ":f"}, "package.module:function"),
        (Factory, {"factory": "a..b:f"}, "package.module:function"),
        (Factory, {"factory": "os; import x:f"}, "package.module:function"),
        (Factory, {"factory": "a:f", "arguments": {"classes": 3}}, "which come from the data"),
        (Factory, {"factory": "a:f", "arguments": {"x": object()}}, "arguments"),
    ],
)
def test_bad_values_are_named(kind: type[NetworkBase], values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        kind.from_mapping(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("depth", [8, 14, 20, 32, 44, 56, 110])
def test_depths_of_the_paper(depth: int) -> None:
    with torch.device("meta"):
        model = ResNet(depth=depth).build((3, 32, 32), 10)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == depth


def test_union_names_the_place_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"network\.name: got 'resnt'.*Did you mean 'resnet'"):
        Configuration.from_mapping({"network": {"name": "resnt"}})
    with pytest.raises(InputError, match=r"network\.depth: got 21.*nearest are 20 and 26"):
        Configuration.from_mapping({"network": {"name": "resnet", "depth": 21}})
    with pytest.raises(InputError, match="network"):
        Configuration.from_mapping({"network": {"depth": 20}})


@pytest.mark.parametrize("event", [(), (0,), (3, -1, 8), (2.5,), "ab", ("a",), (True, 8, 8)])
def test_bad_event_shapes(event: Any) -> None:
    # Called on the checking function: the run-time checks of the tests stop some of these on the way to it.
    from heatproof.networks._base import check_event_shape

    with pytest.raises(InputError, match=r"event_shape: got .*the shape of one input without the batch"):
        check_event_shape(event)


@pytest.mark.parametrize("classes", [1, 0, -3])
def test_bad_class_counts(classes: int) -> None:
    with pytest.raises(InputError, match=r"classes: got .*whole number ≥ 2"):
        MLP().build((2,), classes)


def test_build_dispatches_to_the_settings() -> None:
    torch.manual_seed(0)
    one = build(MLP(widths=(4,)), torch.Size([2]), 3, (0.5, 0.5), (2.0, 2.0))
    torch.manual_seed(0)
    other = MLP(widths=(4,)).build([2], 3, [0.5, 0.5], [2.0, 2.0])
    x = torch.randn(5, 2)
    assert torch.equal(one(x), other(x))


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        MLP().widths = (1,)  # type: ignore[misc]


def test_names_and_descriptions() -> None:
    expected = (
        "mlp",
        "lenet",
        "residual_mlp",
        "resnet",
        "wide_resnet",
        "potential_flow",
        "vision_transformer",
    )
    assert names() == (*expected, "factory")
    state = torch.random.get_rng_state()
    lines = {line.name: line for line in describe()}
    assert torch.equal(state, torch.random.get_rng_state())
    assert tuple(lines) == names()
    assert lines["lenet"].parameters == 431_080
    assert lines["resnet"].parameters == 269_722
    assert lines["resnet"].usual_input == (3, 32, 32)
    assert lines["mlp"].takes == lines["residual_mlp"].takes == "vectors"
    assert lines["mlp"].usual_input == lines["residual_mlp"].usual_input == (784,)
    assert lines["lenet"].takes == lines["resnet"].takes == "images"
    assert lines["factory"].parameters is lines["factory"].lipschitz is lines["factory"].noise_layers is None
    assert lines["potential_flow"].takes == "anything"
    assert [name for name, line in lines.items() if line.lipschitz is False] == ["vision_transformer"]
    assert all(line.time_conditioned and line.summary.endswith(".") for line in lines.values())
