"""Graphs of nearest neighbours."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from heatproof.equation import Graph
from heatproof.errors import InputError


def _features(nodes: int, size: int, seed: int) -> Tensor:
    return torch.randn(nodes, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("neighbours", "scale"), [(4, 2), (6, None), (1, 1)])
def test_weights_are_those_of_the_formula(neighbours: int, scale: int | None) -> None:
    points = _features(30, 3, seed=0)
    distance = torch.cdist(points.double(), points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    one_way = torch.zeros(30, 30, dtype=torch.float64)
    for i in range(30):
        others = sorted((float(distance[i, j]), j) for j in range(30) if j != i)
        unit = others[(scale or neighbours) - 1][0]
        for length, j in others[:neighbours]:
            one_way[i, j] = math.exp(-((length / unit) ** 2))
    got = torch.as_tensor(Graph.nearest_neighbours(points, neighbours, scale).weights().toarray())
    assert torch.allclose(got, (one_way + one_way.T) / 2, atol=1e-12)


def test_nobody_is_isolated_however_far_away() -> None:
    points = _features(40, 2, seed=1)
    points[0] = 1e6
    graph = Graph.nearest_neighbours(points, 5, 3)
    assert len(graph.isolated()) == 0
    assert float(graph.degrees[0]) >= 1.5 / math.e


def test_images_are_flattened() -> None:
    points = _features(20, 12, seed=2)
    flat, shaped = (Graph.nearest_neighbours(x, 3) for x in (points, points.view(20, 3, 2, 2)))
    assert abs(flat.weights() - shaped.weights()).max() == 0


def test_repeated_rows_are_refused_only_where_the_scale_is_zero() -> None:
    points = _features(20, 300, seed=3)  # distances by inner products would not be exactly 0
    points[1:3] = points[0]
    with pytest.raises(
        InputError, match=r"3 nodes with 2 or more equal to them, the first is node 0.*larger"
    ):
        Graph.nearest_neighbours(points, 4, 2)
    assert Graph.nearest_neighbours(points, 4, 3).nodes == 20


@pytest.mark.parametrize(
    ("features", "neighbours", "scale", "words"),
    [
        (torch.randn(5, 2), 5, None, "fewer than the 5 nodes"),
        (torch.randn(5, 2), 0, None, "neighbours"),
        (torch.randn(5, 2), 2, 3, "1…2"),
        (torch.full((5, 2), math.nan), 2, None, "NaN"),
        (torch.ones(5, 2, dtype=torch.int64), 2, None, "floating-point"),
    ],
)
def test_bad_neighbours(features: Tensor, neighbours: int, scale: int | None, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Graph.nearest_neighbours(features, neighbours, scale)
