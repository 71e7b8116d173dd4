"""The user's own arrays: an `.npz` file, or a folder of `.npy` files. Nothing is ever unpickled."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from heatproof._check import message, nearest
from heatproof.data._convert import LEVELS, Array, as_inputs, as_labels, numbered
from heatproof.data._dataset import DataSet
from heatproof.data._splits import Parts, split_parts, split_pool
from heatproof.errors import DataError, HeatproofError

__all__ = ["holds_arrays", "read"]

_Arrays = dict[str, Array]

_POOL = {"x", "y"}
_TEST = {"x_train", "y_train", "x_test", "y_test"}
_VALIDATION = {"x_validation", "y_validation"}
_ABOUT = {"class_names", "input_range", "grid_step"}
_KNOWN = sorted(_POOL | _TEST | _VALIDATION | _ABOUT)
_ALLOWED = "x and y, or x_train, y_train, x_test, y_test (and x_validation, y_validation)"

_ZIP_START = b"PK"
_FAILURES = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    NotImplementedError,  # a zip with an unknown compression
    RuntimeError,  # a zip with a password
    SyntaxError,
    zipfile.BadZipFile,
    zlib.error,
)


def holds_arrays(folder: Path) -> bool:
    """Whether the folder has `.npy` files."""
    return bool(_npy_files(folder))


def read(path: Path, *, seed: int = 0) -> DataSet:
    """Read arrays `x`, `y`, which are split 60/20/20 by `seed`, or arrays that are split already.

    Split already means `x_train`, `y_train`, `x_test`, `y_test` and perhaps `x_validation`, `y_validation`
    (else a tenth of the training rows, at most 5,000, is held out). Optional: `class_names` (K strings),
    `input_range` (low, high), `grid_step`. 8-bit inputs (uint8) are scaled to [0, 1] with grid step 1/255,
    and are images, channels last, if they have more than two axes; floating-point inputs (N, *event) are
    taken as they are and have no range unless it is given. Labels are whole numbers 0…K−1.

    Errors: `DataError` for a file that cannot be read or is not what it says, and for arrays that do not fit.
    """
    arrays = _read_folder(path) if path.is_dir() else _read_npz(path)
    _check_names(arrays)
    parts = _parts(arrays)
    names = _class_names(arrays, parts)
    labelled = {
        part: (x, as_labels(f"y{part}", y, count=len(x), classes=len(names)))
        for part, (x, y) in parts.items()
    }
    if "" in labelled:
        splits = split_pool(*labelled[""], seed)
    else:
        splits = split_parts({part.removeprefix("_"): pair for part, pair in labelled.items()}, seed)
    box, step = _scale(arrays, eight_bit={x.dtype == np.uint8 for x, _ in parts.values()})
    source = f"arrays of {path}"
    return DataSet(path.stem, **splits, class_names=names, input_range=box, grid_step=step, source=source)


def _read_npz(path: Path) -> _Arrays:
    try:
        if not zipfile.is_zipfile(path):
            raise _not_an_archive(path)
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy"): _member(path, archive, name) for name in archive.namelist()}
    except HeatproofError:
        raise
    except _FAILURES as error:
        raise _unreadable(path, error) from error


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> Array:
    """Read one array to its very end, where the checksum stands."""
    if not name.endswith(".npy"):
        allowed = "arrays in NumPy's format"
        raise DataError(message(str(path), f"a member {name!r} that is no array", allowed), name=name)
    with archive.open(name) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):
            raise DataError(message(str(path), f"more in {name!r} than its array", "whole arrays"), name=name)
    return array


def _npy_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.npy") if file.is_file())


def _read_folder(folder: Path) -> _Arrays:
    arrays: _Arrays = {}
    for file in _npy_files(folder):
        try:
            with file.open("rb") as stream:
                arrays[file.stem] = np.lib.format.read_array(stream, allow_pickle=False)
        except _FAILURES as error:
            raise _unreadable(file, error) from error
    return arrays


def _not_an_archive(path: Path) -> DataError:
    with path.open("rb") as stream:
        cut = stream.read(len(_ZIP_START)) == _ZIP_START
    got = "a truncated or damaged .npz" if cut else "a file that is no .npz, whatever its name"
    advice = "Copy it again." if cut else "Write it with numpy.savez."
    return DataError(message(str(path), got, "an .npz archive", advice), name="name_or_path")


def _unreadable(path: Path, error: BaseException) -> DataError:
    if "allow_pickle" in str(error):
        got = "pickled objects, which could run any code and are never loaded"
        allowed = "arrays of numbers (class_names: of strings)"
        advice = "Convert them with numpy.asarray(..., dtype=...) and save again."
        return DataError(message(str(path), got, allowed, advice), name="name_or_path")
    text = (str(error) or type(error).__name__).splitlines()[0]
    got = f"a damaged or unreadable file ({text})"
    return DataError(
        message(str(path), got, "a whole file of NumPy arrays", "Copy it again."), name="name_or_path"
    )


def _check_names(arrays: _Arrays) -> None:
    """Refuse names that mean nothing (a mistyped `class_names` must not go unheard), and sets of names."""
    for name in sorted(set(arrays) - set(_KNOWN)):
        close = nearest(name, _KNOWN)
        advice = f"Did you mean {close!r}?" if close else "Leave it out."
        raise DataError(message("arrays", f"an unknown {name!r}", ", ".join(_KNOWN), advice), name=name)
    given = set(arrays) - _ABOUT
    if given not in (_POOL, _TEST, _TEST | _VALIDATION):
        raise DataError(message("arrays", ", ".join(sorted(given)) or "none", _ALLOWED), name="arrays")


def _parts(arrays: _Arrays) -> Parts:
    """Return checked inputs and raw labels by the ending of their names ("" or "_train", …)."""
    endings = [name.removeprefix("x") for name in arrays if name.startswith("x")]
    return {part: (as_inputs(f"x{part}", arrays[f"x{part}"]), arrays[f"y{part}"]) for part in endings}


def _class_names(arrays: _Arrays, parts: Parts) -> tuple[str, ...]:
    if "class_names" in arrays:
        names = arrays["class_names"]
        if names.ndim != 1 or names.dtype.kind != "U":
            got = f"{names.dtype} of shape {names.shape}"
            raise DataError(message("class_names", got, "an array of K strings"), name="class_names")
        return tuple(str(name) for name in names)
    part = "" if "" in parts else "_train"
    x, y = parts[part]
    return numbered(f"y{part}", as_labels(f"y{part}", y, count=len(x)))


def _scale(
    arrays: Mapping[str, Array], *, eight_bit: set[bool]
) -> tuple[tuple[float, float] | None, float | None]:
    box = _numbers(arrays, "input_range", 2)
    step = _numbers(arrays, "grid_step", 1)
    if len(eight_bit) > 1:
        raise DataError(message("arrays", "uint8 in one split, floats in another", "one type"), name="arrays")
    if True not in eight_bit:
        return (None if box is None else (box[0], box[1])), (None if step is None else step[0])
    if box not in (None, [0.0, 1.0]) or step not in (None, [1 / LEVELS]):
        allowed = "neither for uint8 inputs, which are scaled to [0, 1] with step 1/255"
        advice = "Store other data as floating-point numbers."
        raise DataError(
            message("input_range, grid_step", f"{box}, {step}", allowed, advice), name="input_range"
        )
    return (0.0, 1.0), 1 / LEVELS


def _numbers(arrays: Mapping[str, Array], name: str, count: int) -> list[float] | None:
    if name not in arrays:
        return None
    values = arrays[name]
    if values.size != count or values.dtype.kind not in "iuf":
        got = f"{values.dtype} of shape {values.shape}"
        raise DataError(message(name, got, f"{count} number{'s' if count > 1 else ''}"), name=name)
    return [float(value) for value in values.reshape(-1)]
