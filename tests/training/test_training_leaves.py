"""What training leaves behind: the user's module, accelerate's state and precision as they were."""

from __future__ import annotations

import copy

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from cases.training import Breaks, Own, moons, network, quick, weights
from heatproof.errors import DivergenceError
from heatproof.objectives import ConvectionDiffusion, GaussianAugmentation, Natural
from heatproof.training import train
from heatproof.training._lend import own_accelerate


class TestLeavesBehind:
    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_the_module_as_it_was(self, precision: str) -> None:
        model = network()
        names = set(vars(model))
        train(model, moons(), settings=quick(precision=precision))
        assert set(vars(model)) == names  # no autocast round its forward, no mark of accelerate's
        assert not any(module.training for module in model.modules())
        twin = network(seed=1).eval()
        twin.load_state_dict(model.state_dict())
        assert torch.equal(model(moons().test.x), twin(moons().test.x))
        assert torch.equal(copy.deepcopy(model)(moons().test.x), twin(moons().test.x))

    @pytest.mark.parametrize("precision", ["float32", "bfloat16"])
    def test_the_module_as_it_was_after_a_failure(self, precision: str) -> None:
        model = Breaks(4)
        names = set(vars(model))
        with pytest.raises(DivergenceError):
            train(model, moons(), settings=quick(precision=precision))
        assert set(vars(model)) == names
        assert not model.training

    def test_a_forward_that_the_user_replaced(self) -> None:
        model = Own()
        forward = model.forward

        def doubled(x: Tensor) -> Tensor:
            return 2 * forward(x)

        model.forward = doubled  # type: ignore[method-assign]
        train(model, moons(), settings=quick(precision="bfloat16"))
        assert model.forward is doubled

    def test_accelerate_as_it_was(self) -> None:
        model, alone = network(), network()
        with own_accelerate():
            mine = Accelerator(cpu=True, gradient_accumulation_steps=4)
            before = mine.mixed_precision, mine.device, mine.gradient_accumulation_steps
            with mine.accumulate(nn.Linear(1, 1)):
                assert not mine.sync_gradients
                train(model, moons(), settings=quick(precision="bfloat16"))
                assert not mine.sync_gradients
            assert (mine.mixed_precision, mine.device, mine.gradient_accumulation_steps) == before
        train(alone, moons(), settings=quick(precision="bfloat16"))
        assert torch.equal(weights(model), weights(alone))  # and hers changed nothing here

    def test_a_module_that_the_user_prepared(self) -> None:
        """accelerate skips a module that bears its mark: the precision asked for here must not be skipped."""
        model, plain = network(), network()
        with own_accelerate():
            prepared = Accelerator(cpu=True).prepare(model)
            train(prepared, moons(), settings=quick(precision="bfloat16"))
        train(plain, moons(), settings=quick(precision="bfloat16"))
        assert torch.equal(weights(model), weights(plain))
        assert vars(model)["_is_accelerate_prepared"]

    def test_noise_std_of_a_time_conditioned_model(self) -> None:
        """Only what was trained at time 0 too may be smoothed from there without being asked for."""
        model = network(timed=True)
        train(model, moons(), ConvectionDiffusion(diffusivity=0.02), quick())
        assert vars(model)["noise_std"] == pytest.approx(0.2)
        for objective in (GaussianAugmentation(noise_std=0.2), Natural()):
            train(model, moons(), objective, quick())
            assert vars(model)["noise_std"] is None
        plain = network()
        train(plain, moons(), GaussianAugmentation(noise_std=0.2), quick())
        assert not hasattr(plain, "noise_std")


class TestPrecision:
    def test_one_after_the_other_is_each_alone(self) -> None:
        """accelerate keeps its device and precision for the life of a process: not from call to call here."""
        found = []
        for order in (["bfloat16", "float32"], ["float32", "bfloat16"]):
            models = {name: network() for name in order}
            for name in order:
                train(models[name], moons(), settings=quick(precision=name))
                assert models[name](moons().test.x).dtype == torch.float32
            found.append(models)
        for name in ("float32", "bfloat16"):
            assert torch.equal(weights(found[0][name]), weights(found[1][name]))
        difference = (weights(found[0]["float32"]) - weights(found[0]["bfloat16"])).abs().max()
        assert 1e-6 < float(difference) < 0.1

    def test_the_same_module_twice(self) -> None:
        model, other = network(), network()
        for precision in ("float32", "bfloat16"):
            train(model, moons(), settings=quick(precision=precision))
        train(other, moons(), settings=quick())
        twin = network()
        twin.load_state_dict(other.state_dict())
        train(twin, moons(), settings=quick(precision="bfloat16"))
        assert torch.equal(weights(model), weights(twin))  # a mark of the first would have skipped autocast
