"""The checker: good stores pass, every tampered field is found, and its code is its own."""

from __future__ import annotations

import ast
import json
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import heatproof.certification.checking.verify as checker
from heatproof._intervals import lower_bound
from heatproof.certification import (
    Certificate,
    CertificateStore,
    CertificationSettings,
    make_certificate,
    verify_store,
)
from heatproof.certification.checking.arithmetic import lower_bound as own_lower_bound
from heatproof.certification.checking.known import Known, _unit
from heatproof.errors import RunFolderError
from heatproof.noise import Gaussian, Lattice

MakeSettings = Callable[..., CertificationSettings]


def _execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def _change_settings(path: Path, **changes: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (text,) = connection.execute("SELECT settings FROM certifications").fetchone()
        values = {**json.loads(text), **changes}
        kept = {key: value for key, value in values.items() if value != "DELETE"}
        connection.execute("UPDATE certifications SET settings = ?", (json.dumps(kept),))


def test_a_good_store_passes(filled: Path) -> None:
    assert verify_store(filled) == checker.Verification(6, 0, ())
    assert verify_store(filled, "abc").mismatches == ()


def test_it_reads_while_another_process_writes(filled: Path) -> None:
    with closing(sqlite3.connect(filled, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM certificates")
        assert verify_store(filled).checked == 6
        writer.execute("ROLLBACK")


FIRST = "WHERE input = 0"
TAMPERED = {
    "radius is stored": "radius = radius + 0.001",
    "radius in l2": "radii = json_set(radii, '$.l2', 9.0)",
    "radius in l1": "radii = json_set(radii, '$.l1', radius * 1.01)",
    "radius in linf": "radii = json_set(radii, '$.linf', radius)",
    "no radius in l2": "radii = '{}'",
    "p_upper": "p_upper = p_upper - 0.0001",
    "p_lower": "p_lower = p_lower + 0.0001",
    "abstained": "abstained = 1",
    "rounding 0 is below half a cell": "rounding = 0",
    "recomputed": "rounding = rounding + 0.01",
    "did not get the most selection votes": "candidate = 2",
    "estimation counts add up to 101": "estimation_counts = '[91, 7, 3]'",
    "p_lower is stored": "estimation_counts = '[99, 1, 0]'",
    "selection counts add up": "selection_counts = '[11, 0, 0]'",
    "did not get the most": "selection_counts = '[1, 8, 1]'",
    "not 3 whole numbers": "estimation_counts = '[100, 0]'",
    "counts are not 3 whole": "estimation_counts = '[103, -3, 0]'",
    "estimation counts are not 3 whole numbers": "estimation_counts = '[99.5, 0.5, 0]'",
    "cannot be checked": "estimation_counts = 'nothing'",
    "cannot be checked (TypeError": "radius = 'far'",
    "cannot be checked (": "rounding = 'none'",
    "abstained is 'no'": "abstained = 'no'",
    "is not among the planned inputs": "input = 5",
    "target is 3, not one of 3 classes": "target = 3",
    "target is -1": "target = -1",
    "one_pass is 3, not one of": "one_pass = 3",
    "one_pass is 0.5": "one_pass = 0.5",
    "cannot be checked (RecursionError": f"estimation_counts = '{200_000 * '['}'",
}


@pytest.mark.parametrize(("words", "change"), TAMPERED.items())
def test_each_field_of_a_row(filled: Path, words: str, change: str) -> None:
    _execute(filled, f"UPDATE certificates SET {change} {FIRST}")
    found = verify_store(filled)
    where = "input 5" if change == "input = 5" else "input 0"
    assert found.mismatches, "the change went unseen"
    assert all(where in text for text in found.mismatches)
    assert any(words in text for text in found.mismatches)
    assert found.missing == (1 if change == "input = 5" else 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alpha": 0.02}, "p_lower is stored"),
        ({"alpha": 1.5}, "alpha is 1.5, outside (0, 1)"),
        ({"alpha": -1}, "alpha is -1, outside (0, 1)"),
        ({"noise": {"name": "gaussian", "noise_std": 0.51}}, "radius is stored"),
        ({"noise": {"name": "gaussian", "noise_std": 0}}, "noise has scale 0, not positive"),
        ({"unit": 0.0}, "unit is 0.0, not positive"),
        ({"unit": 0.01}, "rounding"),
        ({"unit": 1e-30}, "unit is 1e-30, but noise and grid_step make it 3.0517578125e-05"),
        ({"unit": 0.5 / 2**14 * (1 + 1e-9)}, "noise and grid_step make it"),
        ({"grid_step": 0.75}, "make it 2.288818359375e-05"),
        ({"grid_step": math.inf}, "cannot be read (OverflowError"),
        ({"classifier": "both"}, "classifier is 'both', which this checker does not know"),
        ({"colour": "red"}, "do not belong, or are missing: colour"),
        ({"seed": "DELETE"}, "do not belong, or are missing: seed"),
        ({"classes": 1}, "target is 2, not one of 1 classes"),
        ({"dimension": 9}, "radius in linf"),
        ({"classes": 4}, "not 4 whole numbers"),
        ({"estimation_samples": 99}, "add up to 100, not 99"),
        ({"selection_samples": 11}, "add up to 10, not 11"),
        ({"noise": {"name": "cauchy"}}, "noise is 'cauchy', which this checker does not know"),
        ({"noise": {"name": "uniform", "half_width": 0.5}}, "radius is stored"),
        ({"norm": "l9"}, "radius is stored"),
        ({"norm": "far"}, "cannot be read (ValueError"),
        ({"alpha_scope": "table", "inputs": 5}, "alpha is for a table of 5 inputs, but 6 are planned"),
        ({"alpha_scope": "table", "inputs": 6}, "p_lower is stored"),
        ({"inputs": 6}, "inputs is 6 although alpha is per input"),
        ({"method": "radius", "tolerance": 0.1}, "0 stopping boundaries, where 1 belong"),
        ({"method": "decision", "radii": [0.25]}, "0 stopping boundaries, where 1 belong"),
        ({"method": "radius", "vote": "soft"}, "method 'radius' with soft votes"),
        ({"runner_up": "simultaneous"}, "p_lower is stored"),
        ({"vote": "soft"}, "3 cells of scores, where there are 657"),
        ({"vote": "loud"}, "vote is 'loud'"),
        ({"method": "betting"}, "method is 'betting'"),
        ({"alpha": "DELETE"}, "cannot be read (KeyError('alpha'))"),
        ({"noise": "DELETE"}, "cannot be read"),
        ({"classes": "DELETE"}, "cannot be checked (KeyError('classes'))"),
        ({"alpha": "small"}, "cannot be read (TypeError"),
    ],
)
def test_each_setting(filled: Path, changes: dict[str, object], words: str) -> None:
    _change_settings(filled, **changes)
    assert any(words in text for text in verify_store(filled).mismatches)


def test_the_fingerprint(filled: Path) -> None:
    found = verify_store(filled, "other")
    assert found.mismatches == (
        "certification 1: made with another model than that in the run folder (its fingerprint differs)",
    )


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '{"index": 3}'])
@pytest.mark.parametrize("column", ["settings", "plan"])
def test_settings_or_plan_that_cannot_be_read(filled: Path, column: str, text: str) -> None:
    _execute(filled, f"UPDATE certifications SET {column} = '{text}'")
    assert any("cannot be read" in line for line in verify_store(filled).mismatches)


@pytest.mark.parametrize("column", ["settings", "plan"])
def test_settings_or_plan_nested_too_deep(filled: Path, column: str) -> None:
    _execute(filled, f"UPDATE certifications SET {column} = '{200_000 * '['}'")
    assert any("cannot be read (RecursionError" in line for line in verify_store(filled).mismatches)


def test_an_unknown_target_is_no_mismatch(filled: Path) -> None:
    _execute(filled, "UPDATE certificates SET target = NULL, one_pass = NULL")
    assert verify_store(filled).mismatches == ()


@pytest.mark.parametrize("index", [0, 50])
def test_an_input_planned_twice(filled: Path, index: int) -> None:
    plan = json.dumps({"split": "test", "index": [0, 10, 20, 30, 40, 50, index]})
    _execute(filled, f"UPDATE certifications SET plan = '{plan}'")
    assert verify_store(filled).mismatches == ("certification 1: an input is there more than once",)


@given(noise_std=st.floats(1e-6, 1e6), grid_step=st.none() | st.floats(1e-9, 1e6))
def test_its_unit_agrees_with_the_certifier_s(noise_std: float, grid_step: float | None) -> None:
    unit = Lattice.for_noise(Gaussian(noise_std=noise_std), grid_step).unit
    noise = {"name": "gaussian", "noise_std": noise_std}
    known = Known({"noise": noise, "grid_step": grid_step, "unit": unit}, [])
    assert list(_unit(known)) == []
    wrong = Known({"noise": noise, "grid_step": grid_step, "unit": unit * (1 + 1e-9)}, [])
    assert len(list(_unit(wrong))) == 1


def test_deleted_settings_and_stray_rows(filled: Path) -> None:
    _execute(filled, "DELETE FROM certifications")
    found = verify_store(filled)
    assert found.mismatches == tuple(f"input {10 * i}: belongs to no certification" for i in range(6))


def test_a_row_of_a_certification_that_never_was(filled: Path) -> None:
    _execute(filled, "UPDATE certificates SET certification = 9 WHERE input = 20")
    found = verify_store(filled)
    assert found.mismatches == ("input 20: belongs to no certification",)
    assert found.missing == 1


def test_missing_inputs_are_counted(filled: Path) -> None:
    _execute(filled, "DELETE FROM certificates WHERE input IN (10, 20)")
    assert verify_store(filled) == checker.Verification(4, 2, ())


@pytest.mark.parametrize("noise_std", [1e-6, 1.0, 1e6])
def test_the_tolerance_goes_with_the_unit_of_the_inputs(
    tmp_path: Path, make_settings: MakeSettings, noise_std: float
) -> None:
    """A radius is checked to a millionth of the noise, be the inputs micrometres or kilometres."""
    chosen = make_settings(noise_std=noise_std, unit=noise_std / 2**14)
    one = make_certificate(
        chosen,
        index=0,
        selection_counts=np.array([10, 0, 0]),
        estimation_counts=np.array([95, 5, 0]),
        rounding=2 * chosen.unit,
    )
    path = tmp_path / "store.sqlite"
    with CertificateStore(path) as store:
        store.add(store.open(chosen, "test", (0,)), one)
    assert verify_store(path).mismatches == ()
    _execute(path, f"UPDATE certificates SET radius = radius + {1e-5 * noise_std!r}")
    assert len(verify_store(path).mismatches) == 1


LEVELS = st.sampled_from([1e-9, 1e-3, 0.05, 0.5, 0.9, 0.999]) | st.floats(1e-6, 0.999)


@given(data=st.data(), trials=st.integers(1, 100_000), alpha=LEVELS)
@settings(max_examples=150, deadline=None)
def test_its_bound_agrees_with_the_certifier_s(data: st.DataObject, trials: int, alpha: float) -> None:
    successes = data.draw(st.integers(0, trials) | st.sampled_from([0, 1, trials - 1, trials]))
    own = own_lower_bound(successes, trials, alpha)
    assert own == pytest.approx(lower_bound(successes, trials, alpha), abs=1e-9)


@pytest.mark.parametrize("trials", [1, 2, 100, 100_000, 1_000_000])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.51, 0.99, 1.0])
@pytest.mark.parametrize("alpha", [1e-12, 0.001, 0.5, 0.95])
def test_its_bound_at_the_ends(trials: int, share: float, alpha: float) -> None:
    successes = round(share * trials)
    own = own_lower_bound(successes, trials, alpha)
    assert own == pytest.approx(lower_bound(successes, trials, alpha), abs=1e-9)


@given(votes=st.integers(0, 1000), rest=st.integers(0, 1000), alpha=LEVELS)
@example(votes=2, rest=0, alpha=0.25)  # p_lower is one half to the last bit
@example(votes=1, rest=0, alpha=0.5)
@example(votes=1, rest=0, alpha=0.999)
@settings(max_examples=100, deadline=None)
def test_whole_certificates_agree(make_settings: MakeSettings, votes: int, rest: int, alpha: float) -> None:
    if votes + rest == 0:
        votes = 1
    chosen = make_settings(alpha=alpha, estimation_samples=votes + rest, classes=2)
    one = make_certificate(
        chosen,
        index=3,
        selection_counts=np.array([10, 0]),
        estimation_counts=np.array([votes, rest]),
        rounding=3 * chosen.unit,
    )
    row = {
        "input": 3,
        "target": one.target,
        "one_pass": one.one_pass,
        "candidate": one.candidate,
        "abstained": int(one.abstained),
        "p_lower": one.p_lower,
        "p_upper": one.p_upper,
        "radius": one.radius,
        "radii": json.dumps(one.radii),
        "looks": "[]",
        "rounding": one.rounding,
        "selection_counts": json.dumps(one.selection_counts),
        "estimation_counts": json.dumps(one.estimation_counts),
    }
    assert list(checker._row(row, Known(chosen.to_mapping(), []), {3})) == []


OWN = ("verify", "row", "known", "arithmetic", "noises")


@pytest.mark.parametrize("name", OWN)
def test_it_shares_no_code_with_the_certifier(name: str) -> None:
    tree = ast.parse(Path(checker.__file__).with_name(f"{name}.py").read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    found = {name for name in imported if name and name.split(".")[0] == "heatproof"}
    assert found <= {
        "heatproof._check",
        "heatproof.errors",
        *(f"heatproof.certification.checking.{one}" for one in OWN),
    }
    assert not any(name and name.split(".")[0] in {"scipy", "torch"} for name in imported)
    calls = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not calls & {"__import__", "importlib", "eval", "exec", "betaincinv", "ndtri"}


def test_files_that_are_no_store(tmp_path: Path, filled: Path) -> None:
    with pytest.raises(RunFolderError, match=r"^gone.sqlite: got no such file; .*heatproof certify RUN"):
        verify_store(tmp_path / "gone.sqlite")
    text = tmp_path / "text.sqlite"
    text.write_text("no database at all\n" * 500)
    with pytest.raises(RunFolderError, match=r"^text.sqlite: got file is not a database"):
        verify_store(text)
    other = tmp_path / "other.sqlite"
    _execute(other, "CREATE TABLE something (x)")
    with pytest.raises(RunFolderError, match=r"^other.sqlite: got format 0; allowed: format 2"):
        verify_store(other)
    _execute(filled, "PRAGMA user_version = 3")
    with pytest.raises(RunFolderError, match=r"^certificates.sqlite: got format 3; allowed: format 2\."):
        verify_store(filled)


def test_a_store_that_is_cut_off(filled: Path, some_certificates: list[Certificate]) -> None:
    assert len(some_certificates) == 6
    _execute(filled, "PRAGMA wal_checkpoint(TRUNCATE)")
    whole = filled.read_bytes()
    filled.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunFolderError, match=r"^certificates.sqlite: got .*malformed"):
        verify_store(filled)
