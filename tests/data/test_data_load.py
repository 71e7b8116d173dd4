"""Names, paths and words that are neither."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heatproof.data import load, names
from heatproof.errors import DataError, InputError, UnknownNameError


def test_the_names() -> None:
    assert names() == (
        "half_moons",
        "circles",
        "spirals",
        "xor",
        "digits",
        "mnist",
        "fashion_mnist",
        "cifar10",
    )


@pytest.mark.parametrize(
    ("word", "close"),
    [("half_moon", "half_moons"), ("MNIST", "mnist"), ("fashion", "fashion_mnist"), ("cifar-10", "cifar10")],
)
def test_an_unknown_name_is_told_the_nearest(word: str, close: str) -> None:
    with pytest.raises(UnknownNameError, match=f"data set: got '{word}'.*Did you mean '{close}'") as caught:
        load(word)
    assert caught.value.nearest == close


def test_a_word_like_nothing_is_told_all_names() -> None:
    with pytest.raises(
        UnknownNameError, match=r"allowed: a path, or one of half_moons, .*, cifar10"
    ) as caught:
        load("qqqqqqqq")
    assert caught.value.nearest is None


@pytest.mark.parametrize(
    "word", ["missing.npz", "nowhere/data", "./digit", "a" * 5000 + "/x", "bad\0byte.npz"]
)
def test_a_missing_path_is_called_missing(word: str) -> None:
    with pytest.raises(DataError, match="no such file or folder; allowed: a path that exists"):
        load(word)


@pytest.mark.parametrize("word", ["", "  ", None, 3, b"digits"])
def test_no_word_at_all(word: object) -> None:
    with pytest.raises(InputError, match=r"name_or_path: got .*; allowed: a path, or one of half_moons"):
        inspect.unwrap(load)(word)


@pytest.mark.parametrize("name", ["digits", "mnist", "./own.npz"])
def test_size_is_for_generated_data_only(name: str) -> None:
    with pytest.raises(
        InputError, match=r"size: got 100 for .*; allowed: a size for half_moons, .* Leave size out"
    ):
        load(name, size=100)


def test_a_name_wins_over_a_file_and_a_dash_is_an_underscore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("half_moons").mkdir()
    assert load("half-moons").name == "half_moons"
    with pytest.raises(DataError, match=r"neither \.npy files nor"):
        load("./half_moons")


def test_a_path_object_is_a_path(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x=np.zeros((10, 3)), y=np.arange(10) % 2)
    assert load(tmp_path / "own.npz").name == "own"


def test_importing_is_light() -> None:
    """No library that only some data need, until they are asked for."""
    heavy = ("datasets", "sklearn", "PIL", "pyarrow", "pandas")
    code = f"import sys, heatproof.data; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
