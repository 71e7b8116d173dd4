"""Networks trained on random labels, without and with diffusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from heatproof._types import Progress
from heatproof.data import DataSet, Split
from heatproof.noise import keyed
from heatproof.studies._study import Cell, Results, Section, Summary
from heatproof.studies._verdict import Verdict, from_interval
from heatproof.studies.complexity.charts import count_chart
from heatproof.studies.complexity.inputs import digits
from heatproof.studies.complexity.rows import table
from heatproof.studies.complexity.trainings import TRAININGS, Training, trained
from heatproof.theory.complexity import (
    ComplexityRow,
    Estimate,
    Subject,
    correlation,
    estimate_row,
    from_below,
    label_signs,
    mean_interval,
)

if TYPE_CHECKING:
    from heatproof.studies.complexity.study import Complexity

__all__ = ["cells", "summarise"]

_SMOOTHING_DRAWS = 64


def cells(study: Complexity) -> Iterator[Cell]:
    """Yield a cell for each N and draw of labels: every training on the same labels."""
    for count in study.label_counts:
        for number in range(study.label_draws):
            yield Cell(_key(count, number), partial(_measured, study, count, number))


def summarise(study: Complexity, results: Results) -> Summary:
    """Return a verdict for each training with diffusion, the table, and the fit against N."""
    found = {
        count: [results[_key(count, number)] for number in range(study.label_draws)]
        for count in study.label_counts
    }
    rows = [_row(one, count, draws, suffix) for one, suffix in _subjects() for count, draws in found.items()]
    verdicts = tuple(_less(study, one, found) for one in TRAININGS if one.diffuses)
    section = Section(
        "Trained networks: random labels",
        "A residual network with two outputs is trained on coin flips for the labels; g = p₁ − p₀. What it "
        "fits of them bounds from below the complexity of everything that the training can reach. Smoothed: "
        "the mean of g over Gaussian noise at the input, which is the network after heat flow.",
        (
            table(
                "Random labels",
                rows,
                f"{study.label_draws} draws of labels. These are estimates from below: a smaller one does "
                "not prove a smaller complexity, it says that this training fits noise less.",
            ),
        ),
        (
            count_chart(
                [row for row in rows if "smoothed" not in row.subject.of],
                "Random labels fitted, against N",
                "Mean over draws of labels of (1/N)·Σ ε_i g(x_i), 1 where all are fitted; N on a logarithmic "
                "axis. Bars: down to the 95 % lower limit of the complexity.",
                logarithmic=False,
                upright="labels fitted (complexity, from below)",
            ),
        ),
    )
    return Summary(verdicts, (section,))


def _subjects() -> list[tuple[Training, str]]:
    return [(one, suffix) for suffix in ("", ".smoothed") for one in TRAININGS]


def _row(one: Training, count: int, draws: list[dict[str, float]], suffix: str) -> ComplexityRow:
    values = torch.tensor([draw[f"{one.key}{suffix}"] for draw in draws], dtype=torch.float64)
    noise_draws = len(draws) * _SMOOTHING_DRAWS if suffix else None
    found = from_below(values, count, 1.0, noise_draws=noise_draws)
    words = f"{one.words}, smoothed" if suffix else one.words
    about = Subject(f"networks by {words}", "digits", count)
    return estimate_row("estimate", "random labels", about, found, {"value_bound": 1.0})


def _less(study: Complexity, one: Training, found: Mapping[int, list[dict[str, float]]]) -> Verdict:
    """Judge whether natural training fits more at every N, from paired differences; all N at once at 95 %."""
    confidence = 1.0 - 0.05 / len(found)
    differences = {
        count: mean_interval([draw["natural"] - draw[one.key] for draw in draws], confidence)
        for count, draws in found.items()
    }
    decisive = min(differences.values(), key=_top)
    if _top(decisive) >= 0:
        decisive = min(differences.values(), key=lambda each: each.low)
    said = "; ".join(f"N = {count}: {each.value:.3f}" for count, each in differences.items())
    return from_interval(
        f"Trained with diffusion ({one.words}), networks fit random labels less than without, at every N",
        (decisive.value, decisive.low, _top(decisive)),
        quantity="difference of the fit, where it is least sure",
        evidence=f"{said}; {study.label_draws} draws of labels, paired; Student's interval, all N at once",
    )


def _top(found: Estimate) -> float:
    return found.value if found.high is None else found.high


def _key(count: int, number: int) -> str:
    return f"labels.n={count}.draw={number}"


def _measured(study: Complexity, count: int, number: int, progress: Progress) -> dict[str, float]:
    """Return (1/N)·Σ ε_i g(x_i) for every training on the same labels, as it is and smoothed."""
    signs = label_signs(count, study.seed, number)
    data, seed = _coin_flips(digits(), signs), study.seed + number
    found: dict[str, float] = {}
    for place, one in enumerate(TRAININGS):
        progress(place, len(TRAININGS), one.words)
        network = trained(study, one, data, seed)
        found[one.key] = correlation(signs, _margin(network, data.train.x))
        smoothed = _smoothed(network, data.train.x, study.noise_std, seed)
        found[f"{one.key}.smoothed"] = correlation(signs, smoothed)
    return found


def _coin_flips(data: DataSet, signs: Tensor) -> DataSet:
    """Return the first inputs with signs for labels; the other splits keep two rows, of which nobody asks."""
    y, two = (signs > 0).long(), torch.arange(2)
    return replace(
        data,
        name="coin flips",
        class_names=("−1", "+1"),
        train=Split(data.train.x[: len(y)], y, data.train.index[: len(y)]),
        validation=Split(data.validation.x[:2], two, data.validation.index[:2]),
        test=Split(data.test.x[:2], two, data.test.index[:2]),
    )


def _margin(network: nn.Module, x: Tensor) -> Tensor:
    """Return p₁ − p₀ = tanh((z₁ − z₀)/2)."""
    with torch.no_grad():
        logits: Tensor = network(x)
    return ((logits[:, 1] - logits[:, 0]) / 2).tanh()


def _smoothed(network: nn.Module, x: Tensor, noise_std: float, seed: int) -> Tensor:
    """Return the mean of g over draws of noise at the input, of a stream that no weight was drawn from."""
    generator = keyed.generator(seed, 0, keyed.Stage.ESTIMATION)
    total = torch.zeros(len(x))
    for _ in range(_SMOOTHING_DRAWS):
        total += _margin(network, x + noise_std * torch.randn(x.shape, generator=generator))
    return total / _SMOOTHING_DRAWS
