"""Networks with diffusion inside: deterministic blocks with Gaussian noise after each.

X_0 = x, X_{k+1} = φ_k(X_k) + s_k·ξ_k, ξ_k ~ N(0, I), k = 0 … n−1, logits = head(X_n). Between two noises
lies a Lipschitz block, and the head sees X_n alone: no path leads round a noise. That is what the certificate
of interior diffusion asks for (`heatproof.noise.InteriorDiffusion`; Bok, Su & Altschuler 2024).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from heatproof._check import check_number, message
from heatproof.errors import HeatproofError, InputError, ModelError

__all__ = ["DiffusionChain"]


@final
class DiffusionChain(nn.Module):
    """The random network x ↦ head(X_n), X_{k+1} = φ_k(X_k) + s_k·ξ_k; (B, *event) to logits (B, K).

    Its noise stays on in evaluation mode: the classifier that is certified is the majority vote over it.
    `forward(x)` draws from PyTorch's global generator, for training; `forward_with_noise` takes the normals
    and draws nothing. φ_0 = `nn.Identity()` makes s_0 the noise at the input, randomized smoothing.

    Args:
        blocks: the φ_k, n ≥ 1 modules; they may change the shape. For a certificate each needs a Lipschitz
            bound (`heatproof.lipschitz.lipschitz_bound`).
        noise_stds: the s_k > 0, one number a block, fixed: noise that depends on x (dropout, multiplicative
            noise, one number an input) certifies nothing and is refused.
        head: any module from X_n to logits.

    Errors: `InputError` for blocks that are no modules, or noise that is not one number > 0 a block.
    """

    def __init__(
        self, blocks: Sequence[nn.Module], noise_stds: Sequence[Any] | Tensor, head: nn.Module
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_modules(blocks))
        self.head = _modules([head])[0]
        self._noise_stds = _checked(noise_stds, len(self.blocks))

    @property
    def noise_stds(self) -> tuple[float, ...]:
        """The s_k, in the units of each block's output."""
        return self._noise_stds

    def forward(self, x: Float[Tensor, "batch *event"]) -> Float[Tensor, "batch classes"]:
        """Return logits of one draw of the noise, fresh for each row."""
        return self._run(x, torch.randn_like)

    def forward_with_noise(
        self, x: Float[Tensor, "batch *event"], noise: Float[Tensor, "batch interior"]
    ) -> Float[Tensor, "batch classes"]:
        """Return logits for given standard normals, those of the first block first.

        Errors: `InputError` unless there are as many normals as the states X_1 … X_n have numbers.
        """
        left = noise

        def take(state: Tensor) -> Tensor:
            nonlocal left
            size = state.flatten(1).shape[1]
            part, left = left[:, :size], left[:, size:]
            if part.shape[1] < size:
                raise _miscounted(noise.shape[1], "more: one for each number of the states X_1 … X_n")
            return part.reshape(state.shape).to(state)

        logits = self._run(x, take)
        if left.shape[1]:
            raise _miscounted(noise.shape[1], f"{noise.shape[1] - left.shape[1]} for these inputs")
        return logits

    def interior_dimension(self, event_shape: Sequence[int]) -> int:
        """Return D, how many normals one row of this shape takes; costs one forward pass of one row.

        Errors: `ModelError` where blocks, head and this shape do not fit together.
        """
        sizes: list[int] = []

        def count(state: Tensor) -> Tensor:
            sizes.append(state.flatten(1).shape[1])
            return torch.zeros_like(state)

        flags = {module: module.training for module in self.modules()}
        first = next((weight for weight in self.parameters() if weight.is_floating_point()), torch.zeros(()))
        try:
            self.eval()
            with torch.no_grad():
                self._run(first.new_zeros(1, *event_shape), count)
        except (RuntimeError, TypeError, ValueError, LookupError) as error:
            if isinstance(error, HeatproofError):
                raise
            raise _misfit(event_shape, error) from error
        finally:
            for module, flag in flags.items():
                module.training = flag
        return sum(sizes)

    def extra_repr(self) -> str:
        """Return the noise for `print(model)`."""
        return f"noise_stds={self.noise_stds}"

    def _run(self, x: Tensor, normals: Callable[[Tensor], Tensor]) -> Tensor:
        state = x
        for block, noise_std in zip(self.blocks, self._noise_stds, strict=True):
            clean = block(state)
            state = clean + noise_std * normals(clean)
        logits: Tensor = self.head(state)
        return logits


def _modules(given: object) -> list[nn.Module]:
    """Return the modules as a list."""
    listed: list[object] = list(given) if isinstance(given, Iterable) else [given]
    modules = [one for one in listed if isinstance(one, nn.Module)]
    if len(modules) < len(listed) or not isinstance(given, Iterable):
        wrong = next((one for one in listed if not isinstance(one, nn.Module)), given)
        got = f"a {type(wrong).__name__}"
        raise InputError(message("chain", got, "a sequence of nn.Module, and a head"), name="chain")
    return modules


def _misfit(event_shape: Sequence[int], error: Exception) -> ModelError:
    first = (str(error).strip().splitlines() or [""])[0]
    got = f"{type(error).__name__} ({first}) for one input of shape {tuple(event_shape)}"
    return ModelError(message("chain", got, "blocks and a head that take each other's outputs"), name="chain")


def _checked(noise_stds: object, blocks: int) -> tuple[float, ...]:
    """Return the noise as plain numbers, one a block."""
    allowed, advice = (
        f"{blocks} numbers > 0",
        "One fixed number a block; noise that depends on x is no noise.",
    )
    given: tuple[object, ...] = ()
    got = f"a {type(noise_stds).__name__}"
    if isinstance(noise_stds, Iterable) and not isinstance(noise_stds, Tensor):
        given = tuple(noise_stds)
        got = f"{len(given)} for {blocks} blocks"
    if blocks < 1 or len(given) != blocks:
        raise InputError(message("noise_stds", got, allowed, advice), name="noise_stds")
    return tuple(check_number("noise_stds", value, above=0, advice=advice) for value in given)


def _miscounted(got: int, allowed: str) -> InputError:
    return InputError(message("noise", f"{got} normals a row", allowed), name="noise")
