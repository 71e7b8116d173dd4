"""From a name or a path to a data set."""

from __future__ import annotations

import os
from pathlib import Path

from heatproof._check import check_whole, message, nearest
from heatproof.data import arrays, digits, generated, hugging_face, parquet
from heatproof.data._dataset import DataSet
from heatproof.errors import DataError, InputError, UnknownNameError

__all__ = ["load", "names"]

_DIGITS = "digits"
_LARGEST_SEED = 2**32 - 1


def names() -> tuple[str, ...]:
    """Return the names that `load` knows."""
    return (*generated.NAMES, _DIGITS, *hugging_face.NAMES)


def load(name_or_path: str | os.PathLike[str], *, seed: int = 0, size: int | None = None) -> DataSet:
    """Load a data set with its splits, input range and grid step.

    By name ('-' may stand for '_'):
    * `half_moons`, `circles`, `spirals`, `xor`: `size` points of the plane (1,500 unless told), drawn by
      `seed`;
    * `digits`: 8×8 images that come with scikit-learn, in [0, 1];
    * `mnist`, `fashion_mnist`, `cifar10`: images in [0, 1], from parquet files in
      `$HEATPROOF_DATA/<name>` if there are any, else from the Hugging Face hub; they need
      `pip install 'heatproof[images]'`.

    By path: an `.npz` file or a folder of `.npy` files with arrays `x`, `y` or `x_train`, `y_train`,
    `x_test`, `y_test` (see `heatproof.data.arrays`), or a folder of parquet files in the Hugging Face layout.
    A name wins over a file that is called the same; `./digits` is the file.

    `seed` draws the generated sets, and the split of data that bring none. The splits of named image sets are
    fixed: they are the same for every seed.

    Errors: `UnknownNameError` for a word that is no name and no path, `DataError` for data that cannot be
    read or are not what they say, `DependencyError` for a missing extra, `InputError` for a seed outside
    0…2³²−1 or a `size` for data that are not generated.
    """
    word = _word(name_or_path)
    _check_seed(seed)
    name = word.replace("-", "_")
    if name in generated.NAMES:
        return generated.draw(name, seed=seed, size=size)
    if size is not None:
        advice = "Leave size out; to work on fewer inputs, take the first rows of a split."
        allowed = f"a size for {', '.join(generated.NAMES)} only"
        raise InputError(message("size", f"{size!r} for {word}", allowed, advice), name="size")
    if name == _DIGITS:
        return digits.read()
    if name in hugging_face.NAMES:
        return hugging_face.read(name)
    return _read_path(word, seed)


def _word(value: object) -> str:
    if not isinstance(value, str | os.PathLike) or not str(value).strip():
        allowed = f"a path, or one of {', '.join(names())}"
        raise InputError(message("name_or_path", repr(value), allowed), name="name_or_path")
    return str(value)


def _check_seed(seed: object) -> None:
    if check_whole("seed", seed, at_least=0) > _LARGEST_SEED:
        raise InputError(message("seed", seed, "a whole number from 0 to 2³²−1"), name="seed")


def _read_path(word: str, seed: int) -> DataSet:
    path = Path(os.path.expanduser(word))  # noqa: PTH111 - never raises: a ~ of nobody's stays as it is
    if not os.path.exists(path):  # noqa: PTH110 - never raises, whatever the word
        raise _missing(word)
    if path.is_file():
        _check_ending(path)
        return arrays.read(path, seed=seed)
    if parquet.find(path):
        return parquet.read(path, seed=seed)
    if path.is_dir() and arrays.holds_arrays(path):
        return arrays.read(path, seed=seed)
    got = "neither .npy files nor train*.parquet and test*.parquet (or several sets of them)"
    raise DataError(message(word, got, "a folder with one data set"), name="name_or_path")


def _check_ending(path: Path) -> None:
    if path.suffix.lower() != ".npz":
        allowed = "an .npz file, or a folder of .npy or parquet files"
        advice = "Name the folder." if path.suffix in (".npy", ".parquet") else "Write it with numpy.savez."
        raise DataError(
            message(str(path), f"a file ending in {path.suffix!r}", allowed, advice), name="name_or_path"
        )


def _missing(word: str) -> InputError:
    if os.sep in word or "/" in word or Path(word).suffix:
        return DataError(message(word, "no such file or folder", "a path that exists"), name="name_or_path")
    close = nearest(word.replace("-", "_"), names())
    advice = f"Did you mean {close!r}?" if close else ""
    allowed = f"a path, or one of {', '.join(names())}"
    return UnknownNameError(
        message("data set", repr(word), allowed, advice), name="name_or_path", nearest=close
    )
