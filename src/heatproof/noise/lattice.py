"""Arithmetic in which adding noise is exact, so that a certificate survives floating point.

Plain float32 smoothing is not sound: x + noise leaks the low bits of x through rounding (Voráček & Hein
2023; Jin et al. 2022). Here inputs and noise are integer multiples of one `unit`. For x on the lattice,
x + round(noise) = round(x + noise) exactly, so the classifier that is sampled is the Gaussian smoothing of
y ↦ model(round(y)), to which the theorems apply. Every later operation is a function of that sum.

Any input x is taken to its nearest lattice point x_L, any perturbed input x′ to x′_L. As
‖x′_L − x_L‖ ≤ ‖x′ − x‖ + ‖x′ − x′_L‖ + ‖x − x_L‖, a radius R around x_L becomes
R − ‖x − x_L‖ − ½√d·unit around x, for *every* real perturbation, on the lattice or off it. The unit is a
2⁻¹⁴ of the noise or finer, so this costs about 3·10⁻⁵·√d·noise_std.

What remains idealised: the normals are those of the float32 generator, and the network's own arithmetic is
taken to be a fixed function of its input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.errors import InputError

__all__ = ["Lattice"]

_RESOLUTION_BITS = 14
_EXACT_FLOAT32 = 2.0**23
"""Codes below this, plus any noise (below 2¹⁹ units), are exact integers in float32."""
_LARGEST_CODE = 2.0**30


@dataclass(frozen=True)
class Lattice:
    """The lattice unit·Z^d, and the grid of the data (grid_step·Z^d, a part of it) where there is one."""

    unit: float
    grid_step: float | None = None

    @classmethod
    def for_noise(cls, noise_std: float, grid_step: float | None = None) -> Lattice:
        """Choose the unit: grid_step/2^m with the smallest m that resolves the noise to 2⁻¹⁴ of its std.

        Without a grid, or with one that is finer than that already, the unit is noise_std·2⁻¹⁴.
        """
        check_number("noise_std", noise_std, above=0)
        finest = noise_std * 2.0**-_RESOLUTION_BITS
        if grid_step is None:
            return cls(finest)
        check_number("grid_step", grid_step, above=0)
        if grid_step < finest:
            return cls(finest)
        halvings = math.ceil(math.log2(grid_step / finest))
        return cls(grid_step / 2**halvings, grid_step)

    def codes(self, x: Float[Tensor, "batch *event"]) -> Float64[Tensor, "batch *event"]:
        """Return x_L/unit, whole numbers, for inputs in the data's own range.

        Errors: `InputError` where an input is too large to be resolved beside the noise.
        """
        codes = torch.round(x.double() / self.unit)
        if self.grid_step is not None:
            steps = torch.round(x.double() / self.grid_step)
            codes = torch.where(self._is_on_grid(x), steps * round(self.grid_step / self.unit), codes)
        if float(codes.abs().max()) > _LARGEST_CODE:
            got = f"values up to {float(x.abs().max()):g}"
            allowed = f"values up to {_LARGEST_CODE * self.unit:g} at this noise_std"
            raise InputError(message("inputs", got, allowed, "Rescale them, or use more noise."), name="x")
        return codes

    def rounding(self, x: Float[Tensor, "batch *event"]) -> Float64[Tensor, " batch"]:
        """Return ‖x − x_L‖₂ + ½√d·unit, by which a radius around x_L shrinks around x.

        An input equal to the float32 number nearest to a grid point *is* that grid point (float32 cannot
        write k/255 exactly); every other input counts with its own value.
        """
        off = torch.where(self._is_on_grid(x), 0.0, x.double() - self.codes(x) * self.unit)
        dimension = x[0].numel()
        distance: Tensor = torch.linalg.vector_norm(off.flatten(1), dim=1)
        return distance.add(0.5 * math.sqrt(dimension) * self.unit)

    def add_noise(
        self, codes: Float64[Tensor, "*event"], normals: Float[Tensor, "draws *event"], noise_std: float
    ) -> Float[Tensor, "draws *event"]:
        """Return unit·(codes + round(noise_std·normals/unit)), overwriting `normals`.

        The sum is exact: in float32 where all integers stay below 2²⁴, in int32 else.
        """
        noise = normals.mul_(noise_std / self.unit).round_()
        if float(codes.abs().max()) < _EXACT_FLOAT32:
            return noise.add_(codes.to(noise.dtype)).mul_(self.unit)
        total = noise.to(torch.int32).add_(codes.to(torch.int32))
        return total.to(noise.dtype).mul_(self.unit)

    def _is_on_grid(self, x: Float[Tensor, "batch *event"]) -> Bool[Tensor, "batch *event"]:
        if self.grid_step is None:
            return torch.zeros_like(x, dtype=torch.bool)
        nearest = torch.round(x.double() / self.grid_step) * self.grid_step
        return x.float() == nearest.float()
