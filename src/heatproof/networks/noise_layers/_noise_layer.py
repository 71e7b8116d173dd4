"""What all layers with noise share: when the noise is on, and the residual branch that most of them have."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_number, message
from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import Bound, lipschitz_bound, residual
from heatproof.networks.noise_layers._equation_layer import EquationLayer, kept_shape

__all__ = ["BranchNoiseLayer", "NoiseLayer", "check_always", "check_branch", "check_keep", "one_a_row"]


class NoiseLayer(EquationLayer, ABC):
    """A layer that adds noise of mean 0 to `mean_step`, drawn from PyTorch's global generator, fresh a row.

    As with dropout, noise is on in training mode and off in evaluation mode, where the layer is `mean_step`;
    with `always=True` it is on in both. Noise whose covariance depends on x (all but Gaussian injection and
    input noise) certifies nothing, on or off: `DiffusionChain` is the network with noise to be certified.
    """

    def __init__(self, *, always: bool = False) -> None:
        super().__init__()
        self.always = check_always(always)

    @property
    def noise_is_on(self) -> bool:
        """Whether a call draws noise in the mode that the layer is in now."""
        return self.training or self.always

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return the state after the step, with noise if it is on."""
        return self._noisy_step(x) if self.noise_is_on else self.mean_step(x)

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return the bound of `mean_step`. Errors: `LipschitzError` while noise is on."""
        if self.noise_is_on:
            got = f"{type(self).__name__} with its noise on"
            advice = "Call model.eval() first, with always=False; to certify with noise: DiffusionChain."
            raise LipschitzError(message("module", got, "one without noise", advice), name="module")
        return self._mean_bound(event_shape)

    def extra_repr(self) -> str:
        """Return the settings for `print(model)`."""
        return ", ".join([*self._settings(), *(["always=True"] if self.always else [])])

    @abstractmethod
    def _noisy_step(self, x: Tensor) -> Tensor:
        """Return the step with fresh noise."""

    @abstractmethod
    def _mean_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Return a Lipschitz bound of `mean_step`."""

    @abstractmethod
    def _settings(self) -> list[str]:
        """Return settings in words, for `print(model)`."""


class BranchNoiseLayer(NoiseLayer, ABC):
    """A noise layer around a residual branch: `mean_step` is x + F(x), F = step·branch.

    With `step` = Δt the branch is the velocity. Errors: `InputError` for a branch that is no module or
    changes the shape, or a step that is no finite number.
    """

    def __init__(self, branch: nn.Module, *, step: float = 1.0, always: bool = False) -> None:
        super().__init__(always=always)
        self.branch, self.step = check_branch(branch), check_number("step", step)

    def mean_step(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch *event"]:
        """Return x + F(x)."""
        return x + self._move(x)

    def _move(self, x: Tensor) -> Tensor:
        """Return F(x)."""
        return self.step * kept_shape(self.branch(x), x)

    def _mean_bound(self, event_shape: tuple[int, ...]) -> Bound:
        return residual(lipschitz_bound(self.branch, event_shape), self.step)


def check_always(value: object) -> bool:
    """Return the flag. Errors: `InputError` for what is neither True nor False."""
    if not isinstance(value, bool):
        allowed = "True (noise in evaluation mode too) or False"
        raise InputError(message("always", repr(value), allowed), name="always")
    return value


def check_branch(branch: object) -> nn.Module:
    """Return the branch. Errors: `InputError` for what is no module."""
    if not isinstance(branch, nn.Module):
        got = f"a {type(branch).__name__}"
        raise InputError(message("branch", got, "an nn.Module that keeps the shape"), name="branch")
    return branch


def check_keep(name: str, value: object) -> float:
    """Return a probability q in (0, 1] of keeping; 1 is no noise."""
    return check_number(name, value, above=0, at_most=1, advice="It is q, not the probability of dropping.")


def one_a_row(x: Tensor) -> Tensor:
    """Return an empty tensor (B, 1, …, 1) like x, to be filled with one number a row."""
    return x.new_empty(len(x), *(1,) * (x.ndim - 1))
