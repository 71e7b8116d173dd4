"""The user's own arrays: what fits is read exactly, what does not is refused in words."""

from __future__ import annotations

import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from heatproof.data import DataSet, load
from heatproof.errors import DataError

_X = np.linspace(0, 1, 60).reshape(20, 3)
_Y = np.arange(20) % 2
_IMAGES = (np.arange(20 * 4 * 5 * 3) % 256).astype(np.uint8).reshape(20, 4, 5, 3)


def _save(folder: Path, **arrays: Any) -> Path:
    path = folder / "own.npz"
    np.savez(path, **arrays)
    return path


def _rows(data: DataSet) -> torch.Tensor:
    """Return the inputs in the order of their index."""
    parts = (data.train, data.validation, data.test)
    order = torch.cat([part.index for part in parts]).argsort()
    return torch.cat([part.x for part in parts])[order]


def test_floats_are_taken_as_they_are(tmp_path: Path) -> None:
    data = load(str(_save(tmp_path, x=_X, y=_Y)))
    assert torch.equal(_rows(data), torch.tensor(_X, dtype=torch.float32))
    assert data.input_range is None
    assert data.grid_step is None
    assert data.class_names == ("0", "1")
    assert data.name == "own"
    assert data.source == f"arrays of {tmp_path / 'own.npz'}"
    assert (len(data.train), len(data.validation), len(data.test)) == (12, 4, 4)


def test_what_is_said_about_them_is_kept(tmp_path: Path) -> None:
    path = _save(tmp_path, x=_X, y=_Y, class_names=["cat", "dog"], input_range=[0, 1], grid_step=0.5)
    data = load(path)
    assert data.class_names == ("cat", "dog")
    assert data.input_range == (0.0, 1.0)
    assert data.grid_step == 0.5


def test_the_seed_chooses_the_split(tmp_path: Path) -> None:
    path = _save(tmp_path, x=_X, y=_Y)
    assert torch.equal(load(path, seed=1).test.index, load(path, seed=1).test.index)
    drawn = {tuple(load(path, seed=seed).test.index.tolist()) for seed in range(5)}
    assert len(drawn) == 5


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (_IMAGES, (3, 4, 5)),
        (_IMAGES[..., :1], (1, 4, 5)),
        (_IMAGES[..., 0], (1, 4, 5)),
        (_IMAGES[:, 0, :, 0], (5,)),
    ],
)
def test_eight_bits_are_scaled_and_channels_come_first(
    tmp_path: Path, images: np.ndarray[Any, Any], shape: tuple[int, ...]
) -> None:
    data = load(_save(tmp_path, x=images, y=_Y))
    assert data.event_shape == shape
    assert data.input_range == (0.0, 1.0)
    assert data.grid_step == 1 / 255
    first = images if images.ndim != 4 else images.transpose(0, 3, 1, 2)
    expected = torch.tensor(first.reshape(20, *shape).astype(np.float64) / 255).float()
    assert torch.equal(_rows(data), expected)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    x=hnp.arrays(
        np.float32,
        st.tuples(st.just(12), st.integers(1, 3), st.integers(1, 3)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    )
)
def test_any_finite_floats_survive_the_trip(tmp_path: Path, x: np.ndarray[Any, Any]) -> None:
    data = load(_save(tmp_path, x=x, y=np.arange(12) % 3))
    assert torch.equal(_rows(data), torch.tensor(x))


def test_splits_that_are_given_are_kept(tmp_path: Path) -> None:
    parts = {"x_train": _X, "y_train": _Y, "x_test": _X[:6] + 10, "y_test": _Y[:6]}
    data = load(_save(tmp_path, **parts))
    assert torch.equal(data.test.x, torch.tensor(_X[:6] + 10, dtype=torch.float32))
    assert data.test.index.tolist() == list(range(6))
    assert (len(data.train), len(data.validation)) == (18, 2)
    data = load(_save(tmp_path, **parts, x_validation=_X[:3] - 5, y_validation=_Y[:3]))
    assert torch.equal(data.validation.x, torch.tensor(_X[:3] - 5, dtype=torch.float32))
    assert len(data.train) == 20


def test_a_folder_of_arrays_is_the_same_as_the_archive(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    np.save(folder / "x.npy", _X)
    np.save(folder / "y.npy", _Y.astype(np.uint8))
    data, same = load(folder), load(_save(tmp_path, x=_X, y=_Y))
    assert data.name == "mine"
    assert torch.equal(data.test.x, same.test.x)
    assert torch.equal(data.test.y, same.test.y)


def test_a_compressed_archive_is_read(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "own.npz", x=_X, y=_Y)
    assert len(_rows(load(tmp_path / "own.npz"))) == 20


_NAN = _X.copy()
_NAN[7, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": _NAN, "y": _Y}, "x: got 1 of 20 rows with NaN or infinite values, the first is row 7"),
        ({"x": np.full((20, 3), 1e200), "y": _Y}, "x: got 20 of 20 rows with NaN or infinite values"),
        ({"x": _X, "y": _Y[:19]}, r"y: got shape \(19,\); allowed: one label for each of the 20 inputs"),
        ({"x": _X, "y": _Y[:, None]}, r"y: got shape \(20, 1\)"),
        ({"x": _X, "y": _Y.astype(float)}, "y: got labels of type float64; allowed: whole numbers 0…K−1"),
        ({"x": _X, "y": _Y > 0}, "y: got labels of type bool"),
        ({"x": _X, "y": _Y - 1}, "y: got 10 labels outside, the first is -1 at row 0"),
        ({"x": _X, "y": _Y * 2}, "y: got no row of class 1, though labels go up to 2"),
        ({"x": _X, "y": _Y * 10**15}, "no row of class 1, though labels go up to 1000000000000000"),
        ({"x": _X, "y": _Y + 1, "class_names": ["a", "b"]}, "10 labels outside, the first is 2 at row 1"),
        ({"x": _X, "y": _Y * 0}, "class_names: got 1 of them: '0'; allowed: two or more names"),
        (
            {"x": _X, "y": (np.arange(20) > 17).astype(int)},
            "rows: got 2 of class 1; allowed: at least 3 of each",
        ),
        ({"x": _X[:0], "y": _Y[:0]}, r"x: got shape \(0, 3\); allowed: an array .* at least one row"),
        ({"x": _X[:, 0], "y": _Y}, r"x: got shape \(20,\); allowed: .* at least two axes"),
        (
            {"x": np.arange(60).reshape(20, 3), "y": _Y},
            "x: got int64; allowed: uint8 or floating-point numbers",
        ),
        ({"x": _X.astype(str), "y": _Y}, "allowed: uint8 or floating-point numbers"),
        (
            {"x": _IMAGES.transpose(0, 3, 1, 2), "y": _Y},
            r"x: got uint8 of shape \(20, 3, 4, 5\).*channels last",
        ),
        ({"x": _X}, "arrays: got x; allowed: x and y, or x_train, y_train, x_test, y_test"),
        ({"x": _X, "y": _Y, "x_test": _X, "y_test": _Y}, "arrays: got x, x_test, y, y_test; allowed"),
        ({"class_names": ["a", "b"]}, "arrays: got none; allowed"),
        ({"x": _X, "y": _Y, "clas_names": ["a", "b"]}, "unknown 'clas_names'.*Did you mean 'class_names'"),
        (
            {"x": _X, "y": _Y, "class_names": [1, 2]},
            r"class_names: got int64 of shape \(2,\); allowed: an array of K",
        ),
        ({"x": _X, "y": _Y, "input_range": [0, 0.5]}, r"values inside input_range = \(0, 0.5\)"),
        (
            {"x": _X, "y": _Y, "input_range": 1.0},
            r"input_range: got float64 of shape \(\); allowed: 2 numbers",
        ),
        ({"x": _X, "y": _Y, "input_range": ["0", "1"]}, "input_range: got <U1 of shape"),
        ({"x": _X, "y": _Y, "grid_step": -1.0}, "grid_step: got -1.0; allowed: a finite number > 0"),
        ({"x": _IMAGES, "y": _Y, "input_range": [0, 255]}, "allowed: neither for uint8 inputs"),
        (
            {"x_train": _IMAGES, "y_train": _Y, "x_test": _IMAGES / 255, "y_test": _Y},
            "arrays: got uint8 in one split, floats in another",
        ),
        (
            {"x_train": _X, "y_train": _Y, "x_test": _X[:, :2], "y_test": _Y},
            r"test\.x: got torch.float32 of shape \(20, 2\); allowed: float32 of shape \(rows, 3\)",
        ),
        ({"x_train": _X, "y_train": _Y, "x_test": _X, "y_test": _Y + 1}, "y_test: got 10 labels outside"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, arrays: dict[str, Any], text: str) -> None:
    with pytest.raises((DataError, ValueError), match=text) as caught:
        load(_save(tmp_path, **arrays))
    assert type(caught.value).__module__ == "heatproof.errors"


class _Trap:
    """Leaves a file behind if anybody unpickles it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("as_folder", [False, True])
def test_pickled_objects_are_refused_and_never_run(tmp_path: Path, as_folder: bool) -> None:
    mark = tmp_path / "sprung"
    trap = np.empty(2, dtype=object)
    trap[:] = [_Trap(mark), _Trap(mark)]
    path = _save(tmp_path, x=_X, y=_Y, class_names=trap)
    if as_folder:
        shutil.unpack_archive(path, tmp_path / "folder", "zip")
        path = tmp_path / "folder"
    with pytest.raises(DataError, match="pickled objects, which could run any code and are never loaded"):
        load(path)
    assert not mark.exists()
    pickle.loads(pickle.dumps(_Trap(mark)))  # the trap works
    assert mark.exists()


def test_a_pickle_called_npz_is_refused_and_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "sprung"
    path = tmp_path / "own.npz"
    path.write_bytes(pickle.dumps(_Trap(mark)))
    with pytest.raises(DataError, match=r"a file that is no \.npz, whatever its name"):
        load(path)
    assert not mark.exists()


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_archive_is_called_so(tmp_path: Path, part: float) -> None:
    path = _save(tmp_path, x=_X, y=_Y)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DataError, match=r"own\.npz: got a truncated or damaged \.npz.*Copy it again"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"x,y\n1,2\n", b"\x93NUMPY", bytes(100)])
def test_something_else_called_npz_is_called_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a file that is no \.npz, whatever its name"):
        load(path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), compressed=st.booleans())
def test_a_flipped_bit_never_changes_a_value(
    tmp_path: Path, position: float, bit: int, compressed: bool
) -> None:
    """Either the damage is in what nobody reads (dates, …), or it is refused; a raw traceback is neither."""
    path = tmp_path / "own.npz"
    (np.savez_compressed if compressed else np.savez)(path, x=_X, y=_Y)
    whole = bytearray(path.read_bytes())
    whole[int(position * len(whole))] ^= 1 << bit
    path.write_bytes(whole)
    try:
        data = load(path)
    except DataError:
        return
    assert torch.equal(_rows(data), torch.tensor(_X, dtype=torch.float32))


def test_a_zip_of_other_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "hello")
    with pytest.raises(DataError, match=r"a member 'x\.txt' that is no array"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00\xff\xff{"])
def test_a_damaged_npy_is_named(tmp_path: Path, content: bytes) -> None:
    np.save(tmp_path / "x.npy", _X)
    (tmp_path / "y.npy").write_bytes(content)
    with pytest.raises(DataError, match=r"y\.npy: got a damaged or unreadable file"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "advice"), [("x.npy", "Name the folder"), ("d.csv", "numpy.savez"), ("e", "numpy")]
)
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_bytes(b"1,2")
    with pytest.raises(
        DataError, match=rf"a file ending in .*; allowed: an \.npz file, or a folder.*{advice}"
    ):
        load(tmp_path / name)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"neither \.npy files nor train\*\.parquet"):
        load(tmp_path)
