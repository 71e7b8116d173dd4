"""Certificates as CSV and Parquet, read back with another library; written whole or not at all."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from heatproof.certification import ABSTAIN, Certificate, export_certificates
from heatproof.errors import InputError, StorageError


def _check_row(row: dict[str, object], one: Certificate) -> None:
    assert int(str(row["input"])) == one.index
    assert int(str(row["label"])) == one.label
    assert int(str(row["target"])) == one.target
    assert str(row["correct"]).lower() == str(one.correct).lower()
    assert float(str(row["p_lower"])) == one.p_lower
    assert float(str(row["rounding"])) == one.rounding
    for name in ("l1", "l2", "linf"):
        assert float(str(row[f"radius_{name}"])) == one.radii[name]
    assert tuple(json.loads(str(row["selection_counts"]))) == one.selection_counts
    assert tuple(json.loads(str(row["estimation_counts"]))) == one.estimation_counts
    for name, value in one.settings.to_mapping().items():
        if isinstance(value, dict | list):
            assert json.loads(str(row[name])) == value
        elif isinstance(value, float):
            assert float(str(row[name])) == value
        else:
            assert str(row[name] if row[name] is not None else "") == str("" if value is None else value)


def test_csv(tmp_path: Path, some_certificates: list[Certificate]) -> None:
    path = tmp_path / "table.csv"
    export_certificates(some_certificates, path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6
    for row, one in zip(rows, some_certificates, strict=True):
        _check_row(dict(row), one)
    assert [row["label"] for row in rows].count(str(ABSTAIN)) == 1


def test_parquet(tmp_path: Path, some_certificates: list[Certificate]) -> None:
    path = tmp_path / "table.parquet"
    export_certificates(some_certificates, path)
    rows = pyarrow.parquet.read_table(path).to_pylist()
    assert len(rows) == 6
    for row, one in zip(rows, some_certificates, strict=True):
        _check_row(row, one)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_old_table_is_replaced_and_nothing_else_is_left(
    tmp_path: Path, some_certificates: list[Certificate], suffix: str
) -> None:
    path = tmp_path / f"table{suffix}"
    path.write_text("old")
    export_certificates(some_certificates[:2], path)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() != b"old"


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.CSV"])
def test_another_ending(tmp_path: Path, some_certificates: list[Certificate], name: str) -> None:
    with pytest.raises(
        InputError, match=rf"^export: got '{name}'; allowed: a name ending in .csv or .parquet"
    ):
        export_certificates(some_certificates, tmp_path / name)


def test_no_certificates(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^export: got no certificates; allowed: at least one"):
        export_certificates([], tmp_path / "table.csv")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("place", ["gone", "file"])
def test_a_folder_that_cannot_be_written(
    tmp_path: Path, some_certificates: list[Certificate], place: str, suffix: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"^table.* could not be written .*Nothing was overwritten"):
        export_certificates(some_certificates, tmp_path / place / f"table{suffix}")


def test_a_failure_halfway_leaves_the_old_table(
    tmp_path: Path, some_certificates: list[Certificate], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail(rows: object, place: Path, suffix: str) -> None:
        assert rows
        assert suffix == ".csv"
        place.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("heatproof.certification._export._write", fail)
    with pytest.raises(StorageError, match="No space left on device"):
        export_certificates(some_certificates, path)
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["table.csv"]
