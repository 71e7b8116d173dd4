"""Graphs with features and labels: what is read, what is refused, how nodes are split."""

from __future__ import annotations

import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

from heatproof.data.graphs import GraphData, graph_names, load_graph
from heatproof.errors import DataError, DependencyError, HeatproofError, UnknownNameError

FEATURES = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, -1])
EDGES = np.array([[0, 1, 1, 2], [1, 0, 2, 3]])
MASKS = {"train": [0, 1], "validation": [2], "test": np.array([False, False, False, True, False])}


def _graph(**changed: Any) -> GraphData:
    given = {"features": FEATURES, "labels": LABELS, "edge_index": EDGES, "masks": MASKS, **changed}
    return GraphData.from_arrays(**given)


def test_arrays_become_checked_tensors() -> None:
    data = _graph()
    assert data.features.dtype == torch.float32
    assert torch.equal(data.features, torch.from_numpy(FEATURES).float())
    assert torch.equal(data.labels, torch.from_numpy(LABELS))
    assert data.edge_index.dtype == torch.int64
    assert data.train.tolist() == [True, True, False, False, False]
    assert data.test.tolist() == [False, False, False, True, False]
    assert (data.nodes, data.classes, data.class_names) == (5, 2, ("0", "1"))
    assert data.is_split
    assert "split 2/1/1" in repr(data)
    with pytest.raises(FrozenInstanceError):
        data.name = "other"  # type: ignore[misc]


def test_sparse_features_and_labels_in_a_column_are_taken() -> None:
    data = _graph(features=sparse.csr_matrix(FEATURES), labels=LABELS[:, None])
    assert torch.equal(data.features, _graph().features)
    assert torch.equal(data.labels, _graph().labels)
    assert torch.equal(_graph(features=torch.from_numpy(FEATURES).to_sparse()).features, data.features)


NAN = FEATURES.astype(np.float32) * np.nan
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"labels": None}, "without labels"),
    "all unlabelled": (
        {"labels": np.full(5, -1), "class_names": ("a", "b"), "masks": None},
        "without labels",
    ),
    "one class": ({"labels": np.zeros(5, dtype=int), "masks": None}, "two or more"),
    "labels too large": ({"labels": LABELS + 5, "class_names": ("a", "b")}, "−1 (no label) … 1"),
    "labels below -1": ({"labels": LABELS - 1, "class_names": ("a", "b")}, "−1 (no label)"),
    "labels of another length": ({"labels": LABELS[:4]}, "shape (5,)"),
    "labels as text": ({"labels": np.array(list("abcde"))}, "whole numbers"),
    "overlapping masks": ({"masks": {**MASKS, "validation": [1]}}, "two masks, the first is node 1"),
    "mask on an unlabelled node": ({"masks": {**MASKS, "test": [4]}}, "without a label, the first is node 4"),
    "a mask of another name": ({"masks": {"val": [1]}}, "a mapping with train, validation, test"),
    "mask number out of range": ({"masks": {**MASKS, "test": [5]}}, "node numbers 0…4"),
    "edge out of range": ({"edge_index": EDGES + 2}, "node numbers from 2 to 5"),
    "edge below 0": ({"edge_index": EDGES - 1}, "node numbers from -1"),
    "edges transposed": ({"edge_index": EDGES.T}, "(2, E)"),
    "edges with fractions": ({"edge_index": EDGES * 0.5}, "node numbers"),
    "features not finite": ({"features": NAN}, "NaN"),
    "features too large": ({"features": FEATURES.astype(np.float64) * 1e300}, "infinite"),
    "features flat": ({"features": np.ones(5)}, "(N, F)"),
    "features as text": ({"features": np.array([["a"]] * 5)}, "(N, F)"),
    "no features": ({"features": np.ones((5, 0))}, "N and F ≥ 1"),
    "grid step": ({"grid_step": 0.0}, "> 0"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_what_does_not_fit_is_refused_in_words(case: str) -> None:
    changed, words = WRONG[case]
    with pytest.raises(HeatproofError) as caught:
        _graph(**changed)
    assert words in str(caught.value)
    assert "allowed" in str(caught.value)


def _labelled(counts: list[int]) -> GraphData:
    labels = np.repeat(np.arange(len(counts)), counts)
    generator = np.random.default_rng(3)
    return GraphData.from_arrays(
        generator.random((len(labels), 4)), generator.permutation(labels), np.empty((2, 0), dtype=int)
    )


def test_a_random_split_has_so_many_nodes_of_each_class() -> None:
    data = replace(
        _labelled([60, 55, 70]), labels=torch.cat([_labelled([60, 55, 70]).labels[:-1], torch.tensor([-1])])
    )
    split = data.random_split(4)
    assert not data.is_split
    for label in range(3):
        members = data.labels == label
        assert int((split.train & members).sum()) == 20
        assert int((split.validation & members).sum()) == 30
        assert int((split.test & members).sum()) == int(members.sum()) - 50
    parts = torch.stack([split.train, split.validation, split.test]).sum(dim=0)
    assert parts.max() == 1
    assert parts[-1] == 0  # it has no label


def test_a_split_is_its_seed() -> None:
    data = _labelled([60, 60])
    assert torch.equal(data.random_split(1).train, data.random_split(1).train)
    assert not torch.equal(data.random_split(1).train, data.random_split(2).train)


def test_a_split_needs_enough_nodes() -> None:
    with pytest.raises(DataError, match="50 nodes of class 1"):
        _labelled([60, 50]).random_split(0)
    assert int(_labelled([60, 50]).random_split(0, train=5, validation=5).train.sum()) == 10
    with pytest.raises(HeatproofError, match="a whole number"):
        _labelled([60, 60]).random_split(-1)


def test_the_largest_component_keeps_edges_labels_and_masks_together() -> None:
    edges = np.array([[0, 4, 3, 1], [4, 3, 0, 2]])
    labels = np.array([0, 1, 0, 1, 0])
    data = GraphData.from_arrays(
        np.eye(5), labels, edges, masks={"train": [0], "validation": [3], "test": [1]}
    )
    part = data.largest_component()
    assert part.features.argmax(dim=1).tolist() == [0, 3, 4]
    assert part.labels.tolist() == [0, 1, 0]
    assert part.edge_index.tolist() == [[0, 2, 1], [2, 1, 0]]
    assert part.train.tolist() == [True, False, False]
    assert part.validation.tolist() == [False, True, False]
    assert not part.test.any()


@pytest.mark.parametrize("kept", [[0, 0], [5], [-1], []])
def test_a_subgraph_needs_different_nodes_that_are_there(kept: list[int]) -> None:
    with pytest.raises(DataError, match="different node numbers"):
        _graph().subgraph(torch.tensor(kept, dtype=torch.int64))


def test_row_normalised_features_sum_to_one_or_stay_zero() -> None:
    rows = _graph(grid_step=1.0).row_normalised()
    assert rows.features.sum(dim=1).tolist() == [1, 1, 1, 1, 0]
    assert torch.equal(rows.features[0], torch.tensor([0.5, 0, 0.5]))
    assert rows.grid_step is None
    assert torch.equal(rows.train, _graph().train)


def test_geometric_conventions_go_in_and_out() -> None:
    data = _graph()
    tensors = data.as_dict()
    assert set(tensors) == {"x", "y", "edge_index", "train_mask", "val_mask", "test_mask"}
    back = GraphData.from_geometric(SimpleNamespace(**tensors))
    assert torch.equal(back.features, data.features)
    assert torch.equal(back.validation, data.validation)
    assert torch.equal(back.edge_index, data.edge_index)
    bare = GraphData.from_geometric(
        SimpleNamespace(x=tensors["x"], y=tensors["y"], edge_index=tensors["edge_index"])
    )
    assert not bare.is_split


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"y": None}, "without labels"),
        ({"x": None}, "without features"),
        ({"edge_index": None}, "without edges"),
        ({"train_mask": torch.zeros(5, 10, dtype=torch.bool)}, "several splits"),
    ],
)
def test_other_geometric_objects_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        GraphData.from_geometric(SimpleNamespace(**{**_graph().as_dict(), **changed}))


def test_to_geometric_needs_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_geometric", None)
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    with pytest.raises(DependencyError, match="torch-geometric"):
        _graph().to_geometric()
    stand_in = ModuleType("torch_geometric.data")
    vars(stand_in)["Data"] = SimpleNamespace
    monkeypatch.setitem(sys.modules, "torch_geometric", ModuleType("torch_geometric"))
    monkeypatch.setitem(sys.modules, "torch_geometric.data", stand_in)
    assert torch.equal(_graph().to_geometric().val_mask, _graph().validation)


def _file(folder: Path, **changed: Any) -> Path:
    links = sparse.coo_matrix((np.ones(5), (*[np.append(row, 4) for row in EDGES],)), shape=(5, 5)).tocsr()
    words = sparse.csr_matrix(FEATURES.astype(np.float32))
    arrays = {
        f"{prefix}_{part}": getattr(matrix, part)
        for prefix, matrix in (("adj", links), ("attr", words))
        for part in ("data", "indices", "indptr", "shape")
    }
    arrays |= {
        "labels": LABELS.astype(np.int8),
        "train_idx": [0, 1],
        "val_idx": [2],
        "test_idx": [3],
        **changed,
    }
    np.savez(folder / "g.npz", **{name: value for name, value in arrays.items() if value is not None})
    return folder / "g.npz"


def test_a_file_is_read_without_its_self_loops(tmp_path: Path) -> None:
    data = load_graph(_file(tmp_path))
    assert data.edge_index.tolist() == EDGES.tolist()
    assert torch.equal(data.features, _graph().features)
    assert data.grid_step == 1.0
    assert data.train.tolist() == [True, True, False, False, False]
    assert load_graph(_file(tmp_path, attr_data=np.full(6, 0.5))).grid_step is None
    assert not load_graph(_file(tmp_path, train_idx=None, val_idx=None, test_idx=None)).is_split


@pytest.mark.parametrize(
    "changed",
    [
        {"labels": None},
        {"adj_data": None},
        {"adj_indices": np.array([0, 1, 2, 3, 90])},
        {"attr_indptr": np.array([0, 1])},
        {"labels": np.array([object()] * 5)},
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        load_graph(_file(tmp_path, **changed))


def test_names_and_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "coin-graph/cora" in graph_names()
    with pytest.raises(UnknownNameError, match="Did you mean 'planetoid/cora'"):
        load_graph("planetoid/coar")
    monkeypatch.delenv("HEATPROOF_DATA", raising=False)
    with pytest.raises(DataError, match="HEATPROOF_DATA"):
        load_graph("coin-graph/cora")
    monkeypatch.setenv("HEATPROOF_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no such file"):
        load_graph("coin-graph/cora")
    (tmp_path / "cut.npz").write_bytes(_file(tmp_path).read_bytes()[:100])
    with pytest.raises(DataError, match="unreadable"):
        load_graph(tmp_path / "cut.npz")


@pytest.mark.data
@pytest.mark.parametrize(("name", "listed"), [("coin-graph/cora", 5429), ("planetoid/cora", 10556)])
def test_cora(data_folder: Path, name: str, listed: int) -> None:
    if not (data_folder / f"{name}.npz").is_file():
        pytest.skip(f"no {name}.npz in the data folder")
    data = load_graph(name)
    assert (data.nodes, data.classes, data.edge_index.shape[1]) == (2708, 7, listed)
    assert data.grid_step == 1.0
    assert data.is_split == name.startswith("planetoid")
    assert data.largest_component().nodes == 2485


@pytest.mark.data
def test_citeseer_has_fifteen_nodes_without_a_label(data_folder: Path) -> None:
    if not (data_folder / "planetoid" / "citeseer.npz").is_file():
        pytest.skip("no planetoid/citeseer.npz in the data folder")
    data = load_graph("planetoid/citeseer")
    bare = data.labels < 0
    assert int(bare.sum()) == 15
    assert not data.features[bare].any()
