"""Boundaries on disk: found again, never trusted, never in the way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatproof.errors import InputError
from heatproof.statistics import Boundary, _cache, _calibrated, boundary

QUESTION = (0.8, 0.01, 500)


def _same(one: Boundary, other: Boundary) -> bool:
    return one.to_mapping() == other.to_mapping()


def _file(cache: Path) -> Path:
    (found,) = (cache / "heatproof" / "boundaries").iterdir()
    return found


def _again() -> Boundary:
    _calibrated._boundary.cache_clear()
    return boundary(*QUESTION)


def test_the_second_process_does_not_calibrate(forgotten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = boundary(*QUESTION)
    assert boundary(*QUESTION) is first
    monkeypatch.setattr(_calibrated, "calibrate", None)
    assert _same(_again(), first)
    assert _file(forgotten).suffix == ".json"


def _looser(values: dict[str, Any]) -> None:
    values["certify_at_most"] = [k + 3 if k >= 0 else k for k in values["certify_at_most"]]
    values["futile_at_least"] = [n + 1 for n in values["looks"]]
    values["futile_at_least"][-1] = values["certify_at_most"][-1] + 1


def _all_certify(values: dict[str, Any]) -> None:
    values["certify_at_most"], values["futile_at_least"] = values["looks"], [n + 1 for n in values["looks"]]


def _easier(values: dict[str, Any]) -> None:
    values["threshold"] = 0.5


def _not_whole(values: dict[str, Any]) -> None:
    values["certify_at_most"][0] = 1.5


def _huge(values: dict[str, Any]) -> None:
    values["certify_at_most"][0] = 10**40


def _short(values: dict[str, Any]) -> None:
    values["looks"].pop()


@pytest.mark.parametrize("forge", [_looser, _all_certify, _easier, _not_whole, _huge, _short])
def test_a_forged_file_is_calibrated_again(forge: Any, forgotten: Path) -> None:
    first = boundary(*QUESTION)
    values = json.loads(_file(forgotten).read_text())
    forge(values)
    _file(forgotten).write_text(json.dumps(values))
    again = _again()
    assert _same(again, first)
    assert json.loads(_file(forgotten).read_text()) == first.to_mapping()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "NaN", '{"threshold": 0.8}', "[" * 100_000, "\x00\xff"]
)
def test_a_damaged_file_is_calibrated_again(text: str, forgotten: Path) -> None:
    first = boundary(*QUESTION)
    _file(forgotten).write_text(text)
    assert _same(_again(), first)


def test_a_folder_that_cannot_be_used_is_no_error(forgotten: Path) -> None:
    (forgotten / "heatproof").write_text("in the way")
    first = boundary(*QUESTION)
    assert first.false_certificate_probability <= 0.01
    assert _same(_again(), first)


def test_a_relative_folder_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert _cache.folder() == tmp_path / ".cache" / "heatproof" / "boundaries"
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_plain_data_and_back() -> None:
    first = Boundary(0.5, 0.3, np.array([2, 3]), np.array([0, 0]), np.array([2, 1]))
    values = json.loads(json.dumps(first.to_mapping()))
    assert _same(Boundary.from_mapping(values), first)
    values["alpha"] = 0.2
    with pytest.raises(InputError, match="false certificate with probability"):
        Boundary.from_mapping(values)
