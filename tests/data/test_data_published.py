"""The published image sets as they are, where the data folder exists."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from heatproof.data import DataSet, load

_KNOWN = {
    "mnist": (
        (1, 28, 28),
        60_000,
        [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
        [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
    ),
    "fashion_mnist": ((1, 28, 28), 60_000, [9, 2, 1, 1, 6, 1, 4, 6, 5, 7], [1000] * 10),
    "cifar10": ((3, 32, 32), 50_000, [3, 8, 8, 0, 6, 6, 1, 6, 3, 1], [1000] * 10),
}
_MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@pytest.fixture(scope="module", params=sorted(_KNOWN))
def data(request: pytest.FixtureRequest, data_folder: Path) -> DataSet:
    assert data_folder.is_dir()
    return load(request.param)


@pytest.mark.data
def test_counts_shapes_and_the_first_labels(data: DataSet) -> None:
    shape, count, first, balance = _KNOWN[data.name]
    assert data.event_shape == shape
    assert (len(data.train), len(data.validation), len(data.test)) == (count - 5_000, 5_000, 10_000)
    assert data.test.y[:10].tolist() == first
    assert data.test.y.bincount().tolist() == balance
    assert data.test.index.tolist() == list(range(10_000))
    together = torch.cat([data.train.index, data.validation.index]).sort().values
    assert torch.equal(together, torch.arange(10_000, 10_000 + count))


@pytest.mark.data
def test_the_classes_are_balanced_as_in_the_source(data: DataSet) -> None:
    count = _KNOWN[data.name][1]
    whole = data.train.y.bincount() + data.validation.y.bincount()
    assert whole.tolist() == (_MNIST_TRAIN if data.name == "mnist" else [count // 10] * 10)
    ideal = whole * 5_000 / count
    assert bool(((data.validation.y.bincount() - ideal).abs() < 1).all())


@pytest.mark.data
def test_every_value_is_on_the_grid(data: DataSet) -> None:
    assert data.input_range == (0.0, 1.0)
    assert data.grid_step == 1 / 255
    levels = (torch.arange(256, dtype=torch.float64) / 255).float()
    for split in (data.train, data.validation, data.test):
        for x in split.x.split(5_000):
            assert torch.equal(levels[(x * 255).round().int()], x)
    assert (float(data.test.x.min()), float(data.test.x.max())) == (0.0, 1.0)


@pytest.mark.data
def test_mean_pixels_are_the_published_ones(data: DataSet) -> None:
    """Means that the literature normalises by; channels in another order would show in CIFAR-10."""
    published = {"mnist": [0.1307], "fashion_mnist": [0.2860], "cifar10": [0.4914, 0.4822, 0.4465]}[data.name]
    parts = [part.x.sum(dim=(0, 2, 3), dtype=torch.float64) for part in (data.train, data.validation)]
    pixels = (len(data.train) + len(data.validation)) * data.dimension // data.event_shape[0]
    assert ((parts[0] + parts[1]) / pixels).tolist() == pytest.approx(published, abs=1e-4)
