"""A folder of parquet files in the Hugging Face layout: images and labels, one or more files a split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from heatproof._check import message
from heatproof.data._convert import LEVELS, Array, as_inputs, as_labels, numbered
from heatproof.data._dataset import DataSet
from heatproof.data._images import decode
from heatproof.data._splits import split_parts
from heatproof.errors import DataError, DependencyError, HeatproofError

__all__ = ["Files", "assemble", "find", "first_line", "library", "open_files", "read"]

Files = Mapping[str, list[Path]]
"""The parquet files of each split, by its name."""

_BATCH = 1_000
_IMAGE_COLUMNS = ("image", "img")
_LABEL_COLUMN = "label"
_SPLIT_NAMES = ("train", "validation", "test")


def read(path: Path, *, seed: int = 0) -> DataSet:
    """Read a folder of files `train*.parquet`, `test*.parquet` and perhaps `validation*.parquet`.

    Columns: `image` or `img` (8-bit, grey or RGB, all of one size) and `label` (0…K−1). Images become float32
    (C, H, W) in [0, 1] on a grid of 1/255. Without validation files, a tenth of the training set, at most
    5,000, is held out by `seed`. The index of a test image is its row, that of a training image its row plus
    the size of the test set.
    Errors: `DataError` for files that cannot be read or are not what they say; `DependencyError` without the
    package `datasets`.
    """
    return assemble(path.resolve().name, open_files(find(path)), source=f"folder {path}", seed=seed)


def find(folder: Path) -> Files:
    """Return the parquet files of the folder, or of the only folder in it that has some; else nothing."""
    here = _files_of(folder)
    if here or not folder.is_dir():
        return here
    below = [files for place in sorted(folder.iterdir()) if place.is_dir() and (files := _files_of(place))]
    return below[0] if len(below) == 1 else {}


def open_files(files: Files) -> Mapping[str, Any]:
    """Open local files as streams: read where they lie, with no second copy in a cache."""
    datasets = library()
    for path in (path for paths in files.values() for path in paths):
        _check_footer(path)
    if not {"train", "test"} <= set(files):
        allowed = "files train*.parquet and test*.parquet"
        raise DataError(message("folder", f"files for {', '.join(files)} only", allowed), name="name_or_path")
    names = {split: [str(path) for path in paths] for split, paths in files.items()}
    opened: Mapping[str, Any] = datasets.load_dataset("parquet", data_files=names, streaming=True)
    return opened


def assemble(name: str, tables: Mapping[str, Any], *, source: str, seed: int) -> DataSet:
    """Make a data set of the tables that the `datasets` library opened."""
    raw = {split: _read_split(split, tables[split], source) for split in _SPLIT_NAMES if split in tables}
    class_names = _class_names(tables["train"], raw["train"][1])
    return DataSet(
        name,
        **split_parts(
            {split: _checked(split, *raw.pop(split), len(class_names)) for split in list(raw)}, seed
        ),
        class_names=class_names,
        input_range=(0.0, 1.0),
        grid_step=1 / LEVELS,
        source=source,
    )


def library() -> Any:
    """Return the package `datasets`, or raise the `DependencyError` that says how to get it."""
    try:
        import datasets
    except ImportError as error:
        advice = "Run: pip install 'heatproof[images]'"
        text = message("image data", "no package 'datasets'", "datasets ≥ 3", advice)
        raise DependencyError(text, name="datasets") from error
    return datasets


def first_line(error: BaseException) -> str:
    """Return what an error says in its first line, or its type if it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _files_of(folder: Path) -> dict[str, list[Path]]:
    files = sorted(file for file in folder.glob("*.parquet") if file.is_file())
    parts = {name: [file for file in files if file.name.startswith(name)] for name in _SPLIT_NAMES}
    return {name: part for name, part in parts.items() if part}


def _check_footer(path: Path) -> None:
    """Refuse early, and in our words, a file that is truncated, no parquet at all, or without our columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        footer = pq.read_metadata(path)
        schema = footer.schema.to_arrow_schema()
    except (OSError, pa.ArrowException) as error:
        got = "a truncated file, or one that is no parquet whatever its name"
        text = message(str(path), got, "a parquet file", "Copy it again.")
        raise DataError(text, name="name_or_path") from error
    if footer.num_rows == 0:
        raise DataError(message(str(path), "no rows", "at least one row"), name="name_or_path")
    if _LABEL_COLUMN not in schema.names or not set(schema.names) & set(_IMAGE_COLUMNS):
        allowed = "a column image or img, and a column label"
        raise DataError(
            message(str(path), f"columns {', '.join(schema.names)}", allowed), name="name_or_path"
        )
    if not pa.types.is_integer(kind := schema.field(_LABEL_COLUMN).type):
        got = f"labels of type {kind}"
        raise DataError(message(str(path), got, "whole numbers 0…K−1"), name="name_or_path")


def _checked(split: str, pixels: Array, labels: Array, classes: int) -> tuple[Array, Array]:
    y = as_labels(f"{split}.{_LABEL_COLUMN}", labels, count=len(pixels), classes=classes)
    return as_inputs(f"{split}.image", pixels), y


def _class_names(table: Any, labels: Array) -> tuple[str, ...]:
    """Return the names that the file gives its classes, else their numbers."""
    feature = (table.features or {}).get(_LABEL_COLUMN)
    found = getattr(feature, "names", None)
    if found:
        return tuple(found)
    name = f"train.{_LABEL_COLUMN}"
    return numbered(name, as_labels(name, labels, count=len(labels)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library from printing an error that we raise anyway."""
    log = library().logging
    before = log.get_verbosity()
    log.set_verbosity(log.CRITICAL)
    try:
        yield
    finally:
        log.set_verbosity(before)


def _read_split(split: str, table: Any, source: str) -> tuple[Array, Array]:
    import pyarrow as pa

    try:
        with _quiet():
            pixels, labels = _read_batches(table)
    except HeatproofError as error:
        raise DataError(f"{source}, {split}: {error}", name="name_or_path") from error
    except MemoryError as error:
        got = f"images in {split} that do not fit into memory"
        raise DataError(message(source, got, "smaller images, or fewer"), name="name_or_path") from error
    except (OSError, ValueError, pa.ArrowException) as error:
        got = f"a damaged {split} file ({first_line(error)})"
        allowed = "whole parquet files with the same columns"
        raise DataError(message(source, got, allowed), name="name_or_path") from error
    if not labels:
        raise DataError(message(source, f"no rows in {split}", "at least one row"), name="name_or_path")
    return np.concatenate(pixels), np.concatenate(labels)


def _read_batches(table: Any) -> tuple[list[Array], list[Array]]:
    pixels: list[Array] = []
    labels: list[Array] = []
    row = 0
    for batch in table.with_format("arrow").iter(batch_size=_BATCH):
        column = next(name for name in _IMAGE_COLUMNS if name in batch.column_names)
        pixels.append(decode(batch[column], first_row=row, like=pixels[0] if pixels else None))
        labels.append(batch[_LABEL_COLUMN].to_numpy())
        row += len(batch)
    return pixels, labels
