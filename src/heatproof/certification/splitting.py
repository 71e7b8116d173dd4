"""A certificate in ℓ1 without sampling: inputs are blurred by splitting a line at shifted regular places.

Levine & Feizi (2021), "Improved, Deterministic Smoothing for ℓ1 Certified Robustness". On the grid
grid_step·Z let P = 2·half_width/grid_step be whole. For a shift o in 0…P−1 each coordinate i splits its axis
every P steps, at a place that o and a fixed v_i give; what the model sees of x_i is the middle of its cell.
The classifier certified is the majority of the model's answers over all P shifts, all of which are counted.

Why it is safe: (1) x_i and x_i′, k steps apart, are in one cell for all but min(k, P) of the P shifts, as the
place of the split runs through all residues mod P once. (2) So inputs D steps apart in ℓ1 look alike to the
model for all but D shifts, whatever the v_i are, and each class's count changes by at most D. (3) The top
class, `gap` votes ahead, stays ahead while 2D < gap: ‖δ‖₁ < ½·gap·grid_step = half_width·(p_A − p_B).

Counts are whole numbers and so are all steps up to the model's input: no rounding, no alpha, no chance.
Where we differ: the v_i are drawn from `seed`, and input_range, at which cells are cut off, is optional.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor

from heatproof._check import check_inputs, check_labels, check_number, check_whole, message
from heatproof._types import Classifier
from heatproof.certification._identity import fingerprint
from heatproof.certification._model import check_rows, checked_logits, device_of, evaluating, one_pass_labels
from heatproof.errors import InputError
from heatproof.noise.keyed import Stage, generator

__all__ = ["SplittingCertificate", "certify_splitting"]

_PROBES = 8
_LARGEST_CODE = 2**27
"""Four times that, and a period, fit in 32 bits."""
_WHOLE = 1e-6
_BLOCK = 1 << 16


@dataclass(frozen=True)
class SplittingCertificate:
    """The label that no input *on the grid* closer than `radii["l1"]` changes; certain, not probable.

    `counts` (K,) are the votes of all shifts; `steps` is the largest number of grid steps, added up over
    coordinates, that provably keeps the label. At a tie the radius is 0. Points off the grid are not spoken
    of: they have no place in this classifier before they are rounded. The classifier is another than a
    noisy one: never take the larger of their radii. It is one with another only if all fields from
    half_width to model_fingerprint agree.
    """

    label: int
    counts: tuple[int, ...]
    radii: dict[str, float]
    half_width: float
    grid_step: float
    input_range: tuple[float, float] | None
    seed: int
    dimension: int
    model_fingerprint: str
    target: int | None = None

    @property
    def gap(self) -> int:
        """Votes of the label beyond those of the runner-up."""
        first, second = sorted(self.counts, reverse=True)[:2]
        return first - second

    @property
    def steps(self) -> int:
        """The largest ℓ1 distance in grid steps that is certified."""
        return max(0, self.gap - 1) // 2

    @property
    def radius(self) -> float:
        """The certified ℓ1 radius: half_width·(p_A − p_B)."""
        return self.radii["l1"]

    @property
    def correct(self) -> bool:
        """Whether the label is `target` and some radius is certified; False where the target is not known."""
        return self.gap > 0 and self.label == self.target


def certify_splitting(
    model: Classifier,
    x: Tensor,
    y: Tensor | None = None,
    *,
    half_width: float,
    grid_step: float,
    input_range: tuple[float, float] | None = None,
    seed: int = 0,
    batch_size: int = 2048,
) -> list[SplittingCertificate]:
    """Certify each input in ℓ1, with certainty, against all perturbed inputs on the grid of the data.

    Args:
        model: maps (batch, *event) to logits (batch, K). Only useful if trained on such blurred inputs.
        x: inputs (batch, *event), each a multiple of grid_step (1/255 for 8-bit images).
        y: their labels, for the records only.
        half_width: a, in input units; 2a must be a whole number P of grid steps.
        grid_step: distance of neighbouring values in the data.
        input_range: where cells are cut off (as in the paper, with (0, 1)), or None.
        seed: which fixed shifts v_i; part of the classifier, the same for all inputs.
        batch_size: rows in one pass through the model.

    Returns:
        One record an input. ℓ2 and ℓ∞ radii are R/√d and R/d.

    Cost: P = 2·half_width/grid_step rows of the model an input (255 for half_width ½ on 8-bit images).

    Errors: `InputError` where x is off the grid or half_width does not fit it; `ModelError` for a model that
    is no fixed function of each row.
    """
    split = _Split.of(check_inputs("x", x)[0].numel(), half_width, grid_step, input_range, seed)
    rows_at_once = check_whole("batch_size", batch_size)
    codes = split.codes(x.detach())
    if y is not None:
        check_labels("y", y, count=len(x))
    with evaluating(model):
        counts = _count(model, codes, x.shape[1:], split, rows_at_once)
    targets = [None] * len(x) if y is None else _targets(y, len(x), counts.shape[1])
    identity = fingerprint(model)
    rows = zip(counts.tolist(), targets, strict=True)
    return [_record(votes, target, split, identity) for votes, target in rows]


@dataclass(frozen=True, eq=False)
class _Split:
    """The blur: `offsets` (d,) are the v_i; `period` is P; limits are in half steps."""

    period: int
    grid_step: float
    offsets: Int32[Tensor, " d"]
    limits: tuple[int, int]
    seed: int
    input_range: tuple[float, float] | None

    @classmethod
    def of(
        cls,
        dimension: int,
        half_width: float,
        grid_step: float,
        input_range: tuple[float, float] | None,
        seed: int,
    ) -> _Split:
        check_number("half_width", half_width, above=0)
        step = check_number("grid_step", grid_step, above=0)
        check_whole("seed", seed, at_least=0)
        check_number("half_width", half_width, at_most=_LARGEST_CODE * step)
        period = _whole("half_width", 2 * half_width / step, half_width, step / 2, least=1)
        limits = (-4 * _LARGEST_CODE, 4 * _LARGEST_CODE)
        if input_range is not None:
            input_range = _ends(input_range, _LARGEST_CODE * step)
            low, high = (_whole("input_range", end / step, end, step) for end in input_range)
            limits = (2 * low, 2 * high)
        draw = generator(seed, 0, Stage.ESTIMATION)
        offsets = torch.randint(0, period, (dimension,), generator=draw, dtype=torch.int32)
        return cls(period, step, offsets, limits, seed, input_range)

    def codes(self, x: Float[Tensor, "batch *event"]) -> Int32[Tensor, "batch d"]:
        """Return x/grid_step, whole numbers. Errors: `InputError` for an input off the grid."""
        steps = torch.round(x.double().cpu() / self.grid_step).flatten(1)
        off = (x.cpu().flatten(1).float() != (steps * self.grid_step).float()).any(dim=1)
        off |= (steps.abs() > _LARGEST_CODE).any(dim=1)
        if bool(off.any()):
            got = f"{int(off.sum())} of {len(x)} inputs off the grid, or of more than 2²⁷ steps"
            advice = (
                "Round them, x = torch.round(x / grid_step) * grid_step, and certify what you rounded to."
            )
            text = message("x", got, f"multiples of grid_step = {self.grid_step:.6g}", advice)
            raise InputError(text, name="x")
        return steps.to(torch.int32)

    def blur(self, codes: Int32[Tensor, " d"], shifts: Int32[Tensor, " rows"]) -> Float32[Tensor, "rows d"]:
        """Return the middle of the cell of each coordinate of one input, for many shifts.

        Cells hold the codes start … start + P − 1, with start ≡ shift + v (mod P); their ends lie half a step
        outside. A block of rows at a time stays in the cache.
        """
        phase = torch.remainder(codes - self.offsets, self.period)
        rows = max(1, _BLOCK // len(codes))
        return torch.cat([self._block(codes, phase, part) for part in shifts.split(rows)])

    def _block(self, codes: Tensor, phase: Tensor, shifts: Tensor) -> Tensor:
        behind = phase - shifts[:, None]  # (rows, d), from 1 − P to P − 1; now mod P:
        behind += behind.bitwise_right_shift(31).bitwise_and_(self.period)
        twice = torch.sub(codes, behind, out=behind).mul_(2)  # the first code of each cell
        ends = (twice - 1).clamp_(*self.limits)
        ends += twice.add_(2 * self.period - 1).clamp_(*self.limits)
        return ends.float().mul_(self.grid_step / 4)


def _count(
    model: Classifier, codes: Int32[Tensor, "batch d"], event: torch.Size, split: _Split, batch_size: int
) -> Int64[Tensor, "batch K"]:
    """Return the votes of all shifts for each input."""
    probes = split.blur(codes[0], torch.arange(min(_PROBES, batch_size, split.period), dtype=torch.int32))
    probes = probes.unflatten(1, event)
    _, classes = one_pass_labels(model, probes, batch_size)
    check_rows(model, probes, classes)
    device = device_of(model)
    counts = torch.zeros(len(codes), classes, dtype=torch.int64)
    for start in range(0, len(codes) * split.period, batch_size):
        parts = list(_by_owner(start, min(start + batch_size, len(codes) * split.period), split.period))
        seen = torch.cat([split.blur(codes[owner], shifts) for owner, shifts in parts]).unflatten(1, event)
        labels = checked_logits(model, seen, device, classes).argmax(dim=1).cpu()
        for (owner, _), votes in zip(parts, labels.split([len(s) for _, s in parts]), strict=True):
            counts[owner] += torch.bincount(votes, minlength=classes)
    return counts


def _by_owner(start: int, stop: int, period: int) -> Iterator[tuple[int, Int32[Tensor, " some"]]]:
    """Cut rows start … stop − 1, P to an input, where the input changes; yield each with its shifts."""
    while start < stop:
        owner, first = divmod(start, period)
        last = min(period, first + stop - start)
        yield owner, torch.arange(first, last, dtype=torch.int32)
        start += last - first


def _record(counts: list[int], target: int | None, split: _Split, identity: str) -> SplittingCertificate:
    first, second = sorted(counts, reverse=True)[:2]
    radius, dimension = (first - second) * split.grid_step / 2, len(split.offsets)
    return SplittingCertificate(
        label=counts.index(first),
        counts=tuple(counts),
        radii={"l1": radius, "l2": radius / math.sqrt(dimension), "linf": radius / dimension},
        half_width=split.period * split.grid_step / 2,
        grid_step=split.grid_step,
        input_range=split.input_range,
        seed=split.seed,
        dimension=dimension,
        model_fingerprint=identity,
        target=target,
    )


def _targets(y: Tensor, count: int, classes: int) -> list[int | None]:
    return list(check_labels("y", y, count=count, classes=classes).tolist())


def _ends(given: object, largest: float) -> tuple[float, float]:
    """Return the two ends of a range of inputs, the lower one first."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise InputError(message("input_range", repr(given), "(low, high), or None"), name="input_range")
    low = check_number("input_range", given[0], at_least=-largest)
    return low, check_number("input_range", given[1], above=low, at_most=largest)


def _whole(name: str, ratio: float, value: float, step: float, least: int | None = None) -> int:
    """Return `ratio` = value/step as the whole number that it is up to rounding."""
    nearest = round(ratio)
    if abs(ratio - nearest) > _WHOLE * max(1, abs(nearest)) or (least is not None and nearest < least):
        close = max(nearest, nearest if least is None else least) * step
        text = message(name, f"{value:g}", f"multiples of {step:.6g}", f"The nearest is {close:.8g}.")
        raise InputError(text, name=name)
    return nearest
