"""Folders of parquet files in the Hugging Face layout: read exactly, or refused in words."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from heatproof.data import load
from heatproof.errors import DataError, DependencyError

_Array = np.ndarray[Any, np.dtype[np.uint8]]
_NAMES = ["cat", "dog"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the library's lock files out of the home of whoever runs the tests."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def _images(rows: int, shape: tuple[int, ...] = (4, 5), seed: int = 0) -> _Array:
    return np.random.default_rng(seed).integers(0, 256, (rows, *shape)).astype(np.uint8)


def _encode(pixels: _Array, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def _write(
    path: Path,
    blobs: Sequence[bytes | None],
    labels: Sequence[int | float | None],
    *,
    column: str = "image",
    names: list[str] | None = _NAMES,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = pa.array(
        [{"bytes": blob, "path": None} for blob in blobs],
        pa.struct({"bytes": pa.binary(), "path": pa.string()}),
    )
    table = pa.table({column: images, "label": pa.array(labels)})
    if names is not None:
        import datasets

        features = datasets.Features({column: datasets.Image(), "label": datasets.ClassLabel(names=names)})
        table = table.replace_schema_metadata(features.arrow_schema.metadata)
    pq.write_table(table, path)


def _folder(
    folder: Path, *, shape: tuple[int, ...] = (4, 5), place: str = "", **options: Any
) -> tuple[_Array, _Array]:
    """Write 40 training and 10 test images; return their pixels."""
    train, test = _images(40, shape, 1), _images(10, shape, 2)
    _write(
        folder / place / "train-00000-of-00002.parquet",
        [*map(_encode, train[:30])],
        [*range(2)] * 15,
        **options,
    )
    _write(
        folder / place / "train-00001-of-00002.parquet",
        [*map(_encode, train[30:])],
        [*range(2)] * 5,
        **options,
    )
    _write(folder / place / "test-00000-of-00001.parquet", [*map(_encode, test)], [*range(2)] * 5, **options)
    return train, test


@pytest.mark.parametrize(("shape", "column"), [((4, 5), "image"), ((4, 5, 3), "img")])
def test_every_pixel_arrives(tmp_path: Path, shape: tuple[int, ...], column: str) -> None:
    train, test = _folder(tmp_path, shape=shape, column=column)
    data = load(tmp_path)
    event = (1, 4, 5) if len(shape) == 2 else (3, 4, 5)
    assert data.event_shape == event

    def expected(pixels: _Array) -> torch.Tensor:
        first = pixels[..., None] if pixels.ndim == 3 else pixels
        return torch.tensor(first.transpose(0, 3, 1, 2).astype(np.float64) / 255).float()

    assert torch.equal(data.test.x, expected(test))
    assert data.test.index.tolist() == list(range(10))
    index = torch.cat([data.train.index, data.validation.index])
    assert sorted(index.tolist()) == list(range(10, 50))
    assert torch.equal(torch.cat([data.train.x, data.validation.x])[index.argsort()], expected(train))
    assert torch.equal(torch.cat([data.train.y, data.validation.y]), (index - 10) % 2)
    assert len(data.validation) == 4
    assert data.class_names == ("cat", "dog")
    assert data.input_range == (0.0, 1.0)
    assert data.grid_step == 1 / 255
    assert data.source == f"folder {tmp_path}"


def test_without_names_classes_are_numbered(tmp_path: Path) -> None:
    _folder(tmp_path, names=None)
    assert load(tmp_path).class_names == ("0", "1")


def test_validation_files_are_used(tmp_path: Path) -> None:
    _folder(tmp_path)
    _write(tmp_path / "validation.parquet", [*map(_encode, _images(6))], [0, 1] * 3)
    data = load(tmp_path)
    assert (len(data.train), len(data.validation), len(data.test)) == (40, 6, 10)


def test_files_may_lie_one_folder_deeper_if_it_is_the_only_one(tmp_path: Path) -> None:
    _folder(tmp_path, place="plain_text")
    (tmp_path / "other").mkdir()
    assert len(load(tmp_path).test) == 10
    _folder(tmp_path, place="other")
    with pytest.raises(DataError, match="or several sets of them"):
        load(tmp_path)


def test_nothing_is_copied_and_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    import datasets

    _folder(tmp_path)
    load(tmp_path)
    left = [file for file in Path(datasets.config.HF_DATASETS_CACHE).rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in left) == 0  # an empty lock at most
    assert capfd.readouterr() == ("", "")


def _png(pixels: _Array | None = None) -> bytes:
    return _encode(_images(1)[0] if pixels is None else pixels)


def _convert(mode: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(_images(1)[0]).convert(mode).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("blob", "text"),
    [
        (None, r"train: row 33: got no image \(a path is not followed\); allowed: one of PNG"),
        (b"hello", "train: row 33: got 5 bytes that are no image"),
        (_png()[:-30], r"train: row 33: got a damaged image"),
        (
            _png(_images(1, (5, 4))[0]),
            r"row 33: got an image of shape \(5, 4\); allowed: \(4, 5\), as before",
        ),
        (_png(_images(1, (4, 5, 3))[0]), r"row 33: got an image of shape \(4, 5, 3\)"),
        (_convert("1"), r"row 33: got mode 1; allowed: L \(grey\) or RGB"),
        (_convert("LA"), "row 33: got mode LA"),
        (_encode(_images(1)[0], "GIF"), "bytes that are no image; allowed: one of PNG, JPEG, BMP, WEBP"),
    ],
)
def test_an_image_that_is_none_is_named_by_its_row(tmp_path: Path, blob: bytes | None, text: str) -> None:
    _folder(tmp_path)
    blobs = [*map(_encode, _images(10))]
    _write(tmp_path / "train-00001-of-00002.parquet", [*blobs[:3], blob, *blobs[4:]], [0, 1] * 5)
    with pytest.raises(DataError, match=text):
        load(tmp_path)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ([0, 1, 2, 0], r"test\.label: got 1 labels outside, the first is 2 at row 2"),
        ([0, 1, -1, -1], r"test\.label: got 2 labels outside, the first is -1"),
        ([0, 1, None, 0], r"test\.label: got labels of type float64; allowed: whole numbers 0…1"),
        ([0.0, 1.0, 0.0, 1.0], r"\.parquet: got labels of type double; allowed: whole numbers 0…K−1"),
    ],
)
@pytest.mark.parametrize("names", [_NAMES, None])
def test_labels_that_do_not_fit_are_refused(
    tmp_path: Path, labels: list[int | float | None], text: str, names: list[str] | None
) -> None:
    _folder(tmp_path, names=names)
    _write(tmp_path / "test-00000-of-00001.parquet", [*map(_encode, _images(4))], labels, names=names)
    with pytest.raises(DataError, match=text):
        load(tmp_path)


def test_training_labels_without_names_need_every_number(tmp_path: Path) -> None:
    _folder(tmp_path, names=None)
    _write(tmp_path / "train-00001-of-00002.parquet", [*map(_encode, _images(4))], [0, 3, 3, 1], names=None)
    with pytest.raises(DataError, match=r"train\.label: got no row of class 2, though labels go up to 3"):
        load(tmp_path)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _scramble(path: Path) -> None:
    """Damage the pages and leave the footer."""
    whole = bytearray(path.read_bytes())
    whole[4:200] = bytes(196)
    path.write_bytes(whole)


def _text(path: Path) -> None:
    path.write_text("image,label\n")


def _empty(path: Path) -> None:
    _write(path, [], [])


def _columns(path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": [0]}), path)


def _no_bytes(path: Path) -> None:
    pq.write_table(pa.table({"image": ["a.png"], "label": [0]}), path)


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            _truncate,
            r"\.parquet: got a truncated file, or one that is no parquet whatever its name.*Copy it again",
        ),
        (_text, "a truncated file, or one that is no parquet whatever its name"),
        (_scramble, "got a damaged test file|bytes that are no image|got no image"),
        (_empty, r"\.parquet: got no rows; allowed: at least one row"),
        (_columns, "got columns text, label; allowed: a column image or img, and a column label"),
        (_no_bytes, r"test: row 0: got no image \(a path is not followed\); allowed: one of PNG"),
    ],
)
def test_files_that_are_not_what_they_say_are_refused(
    tmp_path: Path, damage: Callable[[Path], None], text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _folder(tmp_path)
    damage(tmp_path / "test-00000-of-00001.parquet")
    with pytest.raises(DataError, match=text) as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_column_of_something_else_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        pq.write_table(pa.table({"image": ["a.png"] * 4, "label": [0, 1] * 2}), tmp_path / f"{split}.parquet")
    with pytest.raises(DataError, match="train: image column: got string; allowed: encoded images"):
        load(tmp_path)


def test_a_folder_without_test_files_is_refused(tmp_path: Path) -> None:
    _folder(tmp_path)
    (tmp_path / "test-00000-of-00001.parquet").unlink()
    with pytest.raises(
        DataError, match=r"got files for train only; allowed: files train\*\.parquet and test"
    ):
        load(tmp_path)


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _folder(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DependencyError, match=r"pip install 'heatproof\[images\]'"):
        load(tmp_path)
    monkeypatch.delenv("HEATPROOF_DATA", raising=False)
    with pytest.raises(DependencyError, match=r"pip install 'heatproof\[images\]'"):
        load("mnist")


@pytest.mark.parametrize("variable", [None, "", "empty", "missing"])
def test_neither_here_nor_on_the_hub_says_both_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str | None
) -> None:
    (tmp_path / "empty").mkdir()
    if variable is None:
        monkeypatch.delenv("HEATPROOF_DATA", raising=False)
    else:
        monkeypatch.setenv("HEATPROOF_DATA", str(tmp_path / variable) if variable else "")

    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach it\nand more lines")

    monkeypatch.setattr("datasets.load_dataset", unreachable)
    with pytest.raises(DataError) as caught:
        load("fashion-mnist")
    text = str(caught.value)
    assert ("no HEATPROOF_DATA set" in text) == (not variable)
    assert "zalando-datasets/fashion_mnist (Couldn't reach it)" in text
    assert "Go online, or put its parquet files into a folder fashion_mnist and set HEATPROOF_DATA" in text
    assert "\n" not in text


def test_the_library_itself_fails_as_expected_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error above is not only our idea of it: the library, told to stay offline, is caught the same."""
    import datasets
    import huggingface_hub

    if not huggingface_hub.constants.HF_HUB_OFFLINE or not datasets.config.HF_HUB_OFFLINE:
        pytest.skip("HF_HUB_OFFLINE was switched off for this run")
    monkeypatch.delenv("HEATPROOF_DATA", raising=False)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", "/nonexistent")
    with pytest.raises(DataError, match="no answer from the Hugging Face hub for uoft-cs/cifar10"):
        load("cifar10")


def test_the_hub_is_read_like_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `load_dataset` of a hub name returns (tables, not streams) gives the same data."""
    import datasets

    _folder(tmp_path / "mnist", shape=(28, 28), names=[*"0123456789"])
    monkeypatch.setenv("HEATPROOF_DATA", str(tmp_path))
    local = load("mnist")
    real = datasets.load_dataset

    def hub(name: str) -> Any:
        assert name == "ylecun/mnist"
        return real(
            "parquet", data_files={part: str(tmp_path / f"mnist/{part}*") for part in ("train", "test")}
        )

    monkeypatch.delenv("HEATPROOF_DATA")
    monkeypatch.setattr("datasets.load_dataset", hub)
    online = load("mnist")
    assert online.source == "hub ylecun/mnist"
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(online, part).x, getattr(local, part).x)
        assert torch.equal(getattr(online, part).index, getattr(local, part).index)
    assert online.class_names == local.class_names


def test_a_set_that_is_another_under_the_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _folder(tmp_path / "cifar10")
    monkeypatch.setenv("HEATPROOF_DATA", str(tmp_path))
    with pytest.raises(
        DataError, match=r"cifar10: got inputs of shape \(1, 4, 5\) and 2 classes in folder .*32, 32\)"
    ):
        load("cifar10")


def test_the_seed_moves_the_held_out_rows_of_a_path_but_not_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _folder(tmp_path / "mnist", shape=(28, 28), names=[*"0123456789"])
    monkeypatch.setenv("HEATPROOF_DATA", str(tmp_path))
    named = {tuple(load("mnist", seed=seed).validation.index.tolist()) for seed in range(4)}
    by_path = {tuple(load(tmp_path / "mnist", seed=seed).validation.index.tolist()) for seed in range(4)}
    assert len(named) == 1
    assert len(by_path) > 1
