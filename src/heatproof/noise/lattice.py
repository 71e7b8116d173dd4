"""Arithmetic in which adding noise is exact, so that a certificate survives floating point.

Plain float32 smoothing is not sound: x + noise leaks the low bits of x through rounding (Voráček & Hein
2023; Jin et al. 2022). Here inputs and noise are integer multiples of one `unit`. For x on the lattice,
x + round(noise) = round(x + noise) exactly, so the classifier that is sampled is the smoothing, by this
noise, of y ↦ model(round(y)), to which the theorems apply. Every later operation is a function of that sum.

Any input x is taken to its nearest lattice point x_L, any perturbed input x′ to x′_L. As
‖x′_L − x_L‖ ≤ ‖x′ − x‖ + ‖x′ − x′_L‖ + ‖x − x_L‖, a radius R around x_L becomes R − ‖x − x_L‖ − h around x,
for *every* real perturbation, on the lattice or off it; h is the largest norm of a vector whose entries are
at most unit/2 (½√d·unit in ℓ2, ½d·unit in ℓ1). A correction by one of the two terms alone is not enough.

Float32 numbers do not round to it safely: their last bits make ties, and patterns of the generator's words
show. So `Lattice.fill` draws the whole numbers themselves, from 53-bit words (for each noise's law see its
file); float32 only carries them.

What remains idealised: the words are those of a pseudo-random generator, taken for independent bits; the
last 10⁻⁹ of each coordinate's law (uniform noise: nothing, Laplace noise: 1.2·10⁻⁷) in total variation, times
d at most in any probability; and the network's own arithmetic is taken to be a fixed function of its input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float64, Shaped
from torch import Tensor

from heatproof._check import check_number, message
from heatproof.errors import InputError
from heatproof.noise._noise import Noise

__all__ = ["Lattice"]

_EXACT_FLOAT32 = 2.0**24
"""Whole numbers up to this are exact in float32, and so are their sums and differences up to it."""
_EXACT_PRODUCT = 2.0**22
"""float32(code/factor)·factor rounds to the code below this (to 3·2⁻²⁵ of it) in float32, else in float64."""
_LARGEST_CODE = 2.0**30
_COARSEST = 2.0**200
_SPREAD = 8.61
"""The largest value of a coordinate in its standard deviations."""
_BLOCK = 1 << 16
"""Numbers worked on at once: they stay in the cache."""


@dataclass(frozen=True)
class Lattice:
    """The lattice unit·Z^d of a noise, and the grid of the data (grid_step·Z^d, a part of it) if any."""

    noise: Noise
    unit: float
    grid_step: float | None = None

    def __post_init__(self) -> None:
        """Refuse noise whose codes are no whole numbers that float32 has, as `fill` gives them."""
        if not self.noise.dyadic and self.noise.largest * self._factor >= _EXACT_FLOAT32:
            most = _EXACT_FLOAT32 / self._factor
            got = f"a largest value of {self.noise.largest:.4g} times the smallest standard deviation"
            allowed = f"less than {most:.4g}, standard deviations within a ratio of {most / _SPREAD:.3g}"
            advice = "Rescale the features so that their standard deviations are alike."
            raise InputError(message("noise", got, allowed, advice), name="noise")

    @classmethod
    def for_noise(cls, noise: Noise, grid_step: float | None = None) -> Lattice:
        """Choose the unit: grid_step/2^m with the smallest m that resolves scale·2^−resolution_bits.

        Without a grid, or with one that is finer than that already, or for a noise that is drawn on a
        lattice of its own (`dyadic`), the unit is scale·2^−resolution_bits.
        Errors: `InputError` if grid_step is no number > 0, or the noise spans too many orders of magnitude.
        """
        finest = noise.scale * 2.0**-noise.resolution_bits
        if grid_step is not None:
            check_number("grid_step", grid_step, above=0)
        if noise.dyadic or grid_step is None or grid_step < finest:
            return cls(noise, finest)
        if grid_step > finest * _COARSEST:
            allowed = f"at most {finest * _COARSEST:g} beside {noise.describe()}"
            raise InputError(
                message("grid_step", f"{grid_step:g}", allowed, "Use more noise."), name="grid_step"
            )
        halvings = math.ceil(math.log2(grid_step / finest))
        return cls(noise, grid_step / 2**halvings, grid_step)

    def fill(self, values: Float[Tensor, "rows *drawn"], generator: torch.Generator) -> None:
        """Overwrite `values` with noise / scale, drawn on this lattice: what certificates are sampled from.

        round(values·scale/unit) has the law of the rounded noise: exactly for uniform noise, up to 10⁻⁹
        a coordinate in total variation for Gaussian noise, 1.2·10⁻⁷ for Laplace noise (see their files).
        """
        self.noise.fill_rounded(values, self._factor, generator)

    def drawn_shape(self, event_shape: torch.Size) -> torch.Size:
        """Return the shape of the random numbers of one draw."""
        return self.noise.drawn_shape(event_shape)

    @property
    def _factor(self) -> float:
        return self.noise.scale / self.unit

    def codes(self, x: Float[Tensor, "batch *event"]) -> Float64[Tensor, "batch *event"]:
        """Return x_L/unit, whole numbers, for inputs in the data's own range.

        Errors: `InputError` where an input is too large to be resolved beside the noise, or of a wrong shape.
        """
        self.noise.check_event(x.shape[1:])
        codes = torch.round(x.double() / self.unit)
        if self.grid_step is not None:
            steps = torch.round(x.double() / self.grid_step)
            codes = torch.where(self._is_on_grid(x), steps * float(round(self.grid_step / self.unit)), codes)
        if float(codes.abs().max()) > _LARGEST_CODE:
            got = f"values up to {float(x.abs().max()):g}"
            allowed = f"values up to {_LARGEST_CODE * self.unit:g} beside this noise"
            raise InputError(message("inputs", got, allowed, "Rescale them, or use more noise."), name="x")
        return codes.add_(0.0)  # no −0: a sum that is 0 would keep its sign

    def rounding(self, x: Float[Tensor, "batch *event"]) -> Float64[Tensor, " batch"]:
        """Return ‖x − x_L‖ + h in the native norm, by which a radius around x_L shrinks around x.

        An input equal to the float64 number nearest to a grid point *is* that grid point, and so is a float32
        number that is the nearest one to it (float32 cannot write k/255 exactly), of either type.
        Every other input counts with its own value.
        """
        off = torch.where(self._is_on_grid(x), 0.0, x.double() - self.codes(x) * self.unit)
        return self.noise.length(off.flatten(1)).add(self.noise.half_cell(x[0].numel(), self.unit))

    def perturb(self, codes: Shaped[Tensor, "*event"], values: Float[Tensor, "rows *drawn"]) -> Tensor:
        """Return the model's inputs (rows, ...) for one input, from filled values, which it overwrites."""
        return self.noise.perturb(codes, values, self.add_noise)

    def add_noise(
        self, codes: Shaped[Tensor, "*event"], values: Float[Tensor, "draws *event"]
    ) -> Float[Tensor, "draws *event"]:
        """Return unit·(codes + round(scale·values/unit)), overwriting `values` (contiguous).

        The sum is exact. Rounding meets no ties if `values` come from `fill` here; other float32 numbers have
        few bits below the unit, and meet them. `codes` may be `ready` already. One pass over blocks that stay
        in the cache; nothing as large as `values` is allocated. Cost: about 0.3 ns a number.
        """
        whole = self.ready(codes) if codes.dtype == torch.float64 else codes
        whole = whole.to(values.device)
        factor, wide = self._factor, self.noise.largest * self._factor >= _EXACT_PRODUCT
        single = values.numel() <= _BLOCK or values.device.type != "cpu"
        for block in (values,) if single else values.split(max(1, _BLOCK // whole.numel())):
            if wide and not self.noise.dyadic:
                block.copy_(block.double().mul_(factor).round_())
            else:
                block.mul_(factor).round_()
            if whole.dtype == torch.float32:
                block.add_(whole).mul_(self.unit)
            else:
                torch.mul(block.to(torch.int32).add_(whole), self.unit, out=block)
        return values

    def ready(self, codes: Float64[Tensor, "*event"]) -> Shaped[Tensor, "*event"]:
        """Return codes, of one input or many, in the type that the sum is exact in.

        That is float32 where the largest code and the largest noise stay below 2²⁴ together, int32 else; both
        give the same sums.
        """
        reach = float(codes.abs().max()) + self.noise.largest * self.noise.scale / self.unit + 1
        return codes.to(torch.float32 if reach < _EXACT_FLOAT32 else torch.int32)

    def _is_on_grid(self, x: Float[Tensor, "batch *event"]) -> Bool[Tensor, "batch *event"]:
        if self.grid_step is None:
            return torch.zeros_like(x, dtype=torch.bool)
        nearest = torch.round(x.double() / self.grid_step) * self.grid_step
        single = x.float()
        return (x.double() == nearest) | ((x.double() == single.double()) & (single == nearest.float()))
