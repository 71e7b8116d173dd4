"""Verifying a run: an honest one passes; forgeries that agree with themselves are found, each by its name."""

from __future__ import annotations

import io
import json
import math
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from heatproof.certification import CertificationSettings, Verification
from heatproof.cli.main import _guarded
from heatproof.errors import InputError
from heatproof.runs.certify import certify_run
from heatproof.runs.config import RunConfig
from heatproof.runs.folder import RunFolder
from heatproof.runs.identity import run_data
from heatproof.runs.redraw import Redraw, _agree
from heatproof.runs.training import load_model, train_run
from heatproof.runs.verify import _rounding, verify_run

DIGITS = {
    "name": "digits",
    "data": "digits",
    "network": {"name": "mlp", "widths": [16]},
    "objective": {"name": "gaussian_augmentation", "noise_std": 0.25},
    "training": {"epochs": 2},
    "certify": {"limit": 12, "estimation_samples": 300, "every": 20},
}
MOONS = {
    "name": "moons",
    "data": {"name": "half_moons", "size": 120},
    "network": {"name": "residual_mlp", "width": 8, "depth": 1, "time_conditioned": True},
    "objective": {"name": "convection_diffusion", "noise_std": 0.3, "weight": 1.0},
    "training": {"epochs": 3, "batch_size": 12},
    "certify": {"limit": 12, "estimation_samples": 300},
}


def _make(document: dict[str, Any], path: Path) -> Path:
    config = RunConfig.from_mapping(document)
    folder = train_run(config, path)
    certify_run(folder, load_model(folder), run_data(folder), config.certify)
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("runs")
    return {str(one["name"]): _make(one, base / str(one["name"])) for one in (DIGITS, MOONS)}


@pytest.fixture
def copy(runs: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(runs[name], tmp_path / name))


def _verify(run: Path, redraw: int = 2) -> Verification:
    folder = RunFolder.open(run)
    return verify_run(folder, load_model(folder), run_data(folder), redraw=redraw)


def _command(*words: object) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = _guarded([str(word) for word in words])
    return code, out.getvalue(), err.getvalue()


def _forge(run: Path, change: str = "", plan: dict[str, Any] | None = None, **settings: Any) -> None:
    """Change settings, plan and, by an SQL assignment, every row."""
    with closing(sqlite3.connect(run / "certificates.sqlite", isolation_level=None)) as connection:
        text, planned = connection.execute("SELECT settings, plan FROM certifications").fetchone()
        new = (
            json.dumps({**json.loads(text), **settings}),
            json.dumps({**json.loads(planned), **(plan or {})}),
        )
        connection.execute("UPDATE certifications SET settings = ?, plan = ?", new)
        if change:
            connection.execute(f"UPDATE certificates SET {change}")


def _settings(run: Path) -> dict[str, Any]:
    with closing(sqlite3.connect(run / "certificates.sqlite")) as connection:
        values: dict[str, Any] = json.loads(
            connection.execute("SELECT settings FROM certifications").fetchone()[0]
        )
    return values


def _recompute(run: Path, rounding: str) -> None:
    """Give every row the rounding, and the radii that follow from it, p_lower and the settings."""
    values = _settings(run)
    with closing(sqlite3.connect(run / "certificates.sqlite", isolation_level=None)) as connection:
        from statistics import NormalDist

        connection.create_function(
            "radius", 2, lambda p, r: _radius(NormalDist(), values["noise"]["noise_std"], p, r)
        )
        connection.execute(f"UPDATE certificates SET rounding = {rounding}")
        connection.execute("UPDATE certificates SET radius = radius(p_lower, rounding)")
        root = math.sqrt(values["dimension"])
        connection.execute(
            "UPDATE certificates SET radii = json_object("
            f"'l1', radius, 'l2', radius, 'linf', radius / {root!r})"
        )


def _radius(normal: Any, noise_std: float, p_lower: float, rounding: float) -> float:
    return max(0.0, noise_std * normal.inv_cdf(p_lower) - rounding) if p_lower > 0.5 else 0.0


def _found(run: Path, words: str, redraw: int = 2) -> None:
    """Assert that the command names the forgery and ends with 1."""
    code, _, err = _command("verify", run, "--redraw", redraw)
    assert code == 1
    assert words in err, err
    assert "do not rely" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("name", ["digits", "moons"])
@pytest.mark.parametrize("redraw", [0, 1, 2, 100])
def test_a_good_run_passes(name: str, redraw: int, runs: dict[str, Path]) -> None:
    assert _verify(runs[name], redraw) == Verification(12, 0, (), min(redraw, 12))


def test_the_command_says_what_it_checked(runs: dict[str, Path]) -> None:
    first = "12 certificates recomputed, 2 drawn again, 0 mismatches\n"
    assert _command("verify", runs["digits"]) == (0, first, "")
    none = first.replace("2 drawn", "0 drawn")
    assert _command("verify", runs["digits"], "--redraw", 0) == (0, none, "")


@pytest.mark.parametrize("bad", [-1, "two", "1.5"])
def test_a_bad_number_to_redraw(bad: object, runs: dict[str, Path]) -> None:
    code, _, err = _command("verify", runs["digits"], "--redraw", bad)
    assert code == 2
    assert "--redraw" in err


def test_a_bad_number_to_redraw_from_python(runs: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="redraw: got -1"):
        _verify(runs["digits"], -1)


def test_targets_set_to_the_candidates(copy: Callable[[str], Path]) -> None:
    run = copy("digits")
    _forge(run, "target = candidate")
    _found(run, "the label is")


def test_another_dimension(copy: Callable[[str], Path]) -> None:
    run = copy("digits")
    _forge(run, dimension=1)
    _recompute(run, "rounding")
    _found(run, "dimension is 1, that of the data is 64")


@pytest.mark.parametrize("name", ["digits", "moons"])
def test_a_lattice_without_rounding(name: str, copy: Callable[[str], Path]) -> None:
    run = copy(name)
    _forge(run, unit=1e-30)
    _recompute(run, "1e-25")
    _found(run, "unit is 1e-30, but noise and grid_step make it")


def test_a_rounding_that_is_too_small_alone(copy: Callable[[str], Path]) -> None:
    """On moons no input is on a lattice point, so ½√d·unit, the least, is less than the truth."""
    run = copy("moons")
    _recompute(run, repr(0.5 * math.sqrt(2) * _settings(run)["unit"]))
    assert all("rounding is stored as" in line for line in _verify(run).mismatches)
    _found(run, "rounding is stored as")


def test_another_classifier(copy: Callable[[str], Path]) -> None:
    run = copy("digits")
    _forge(run, classifier="equation")
    _found(run, "classifier is 'equation', but the network knows no time")
    assert _verify(run).redrawn == 0
    timed = copy("moons")
    _forge(timed, classifier="network")
    _found(timed, "counts are stored as", redraw=12)


@pytest.mark.parametrize("name", ["digits", "moons"])
def test_ten_times_the_noise(name: str, copy: Callable[[str], Path]) -> None:
    """Unit and rounding made to fit: only the objective, or noise drawn again, can tell."""
    run = copy(name)
    noise_std, step = 10 * _settings(run)["noise"]["noise_std"], _settings(run)["grid_step"]
    unit = noise_std / 2**14
    if step is not None:
        unit = step / 2 ** math.ceil(math.log2(step / unit))
    data = run_data(RunFolder.open(run))
    _forge(run, noise={"name": "gaussian", "noise_std": noise_std}, unit=unit)
    forged = CertificationSettings.from_mapping(_settings(run))
    with closing(sqlite3.connect(run / "certificates.sqlite", isolation_level=None)) as connection:
        rows = {int(index): place for place, index in enumerate(data.test.index)}
        own = lambda index: _rounding(data.test.x[rows[index]].double().numpy().ravel(), forged)  # noqa: E731
        connection.create_function("own_rounding", 1, own)
        connection.execute("UPDATE certificates SET rounding = own_rounding(input)")
    _recompute(run, "rounding")
    without = _verify(run, 0).mismatches
    if name == "digits":
        assert without == ()  # what is not drawn again is not found: so says the docstring
        _found(run, "drawn again [")
    else:
        assert without == (f"certification 1: noise_std is {noise_std!r}, that of the equation is 0.3",)


def test_counts_that_were_never_drawn(copy: Callable[[str], Path]) -> None:
    run = copy("digits")
    with closing(sqlite3.connect(run / "certificates.sqlite", isolation_level=None)) as connection:
        rows = connection.execute("SELECT input, estimation_counts FROM certificates").fetchall()
        for index, text in rows:
            turned = json.dumps(json.loads(text)[::-1])
            connection.execute(
                "UPDATE certificates SET estimation_counts = ? WHERE input = ?", (turned, index)
            )
    _found(run, "estimation counts are stored as")


@pytest.mark.parametrize(
    ("change", "settings", "words"),
    [
        ("one_pass = (one_pass + 1) % 10", {}, "the network says"),
        ("one_pass = NULL", {}, "one_pass is None"),
        ("target = NULL", {}, "target is None"),
        ("target = 10", {}, "target is 10, not one of 10 classes"),
        ("rounding = 'none'", {}, "rounding is stored as 'none'"),
        ("estimation_counts = 'x'", {}, "cannot be checked"),
        ("", {"classes": 9}, "classes is 9, that of the data is 10"),
        ("", {"grid_step": None}, "grid_step is None"),
        ("", {"seed": 1}, "drawn again ["),
        ("", {"seed": -1}, "seed: got -1"),
        ("", {"seed": 2**70}, "drawn again ["),
        ("", {"estimation_samples": 10**15}, "not 1000000000000000"),
        ("", {"colour": 1}, "do not belong, or are missing: colour"),
        ("", {"dimension": "many"}, "not settings and plan of this data"),
    ],
)
def test_single_fields(
    change: str, settings: dict[str, Any], words: str, copy: Callable[[str], Path]
) -> None:
    run = copy("digits")
    _forge(run, change, **settings)
    _found(run, words, redraw=12)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_a_plan_of_another_split(split: str, copy: Callable[[str], Path]) -> None:
    run = copy("digits")
    _forge(run, plan={"split": split})
    _found(run, "12 planned inputs are not in their split")


@pytest.mark.parametrize("split", ["x", None, "__class__"])
def test_a_plan_of_no_split(split: object, copy: Callable[[str], Path]) -> None:
    run = copy("digits")
    _forge(run, plan={"split": split})
    _found(run, "not settings and plan of this data")


def test_which_inputs_are_drawn_again(runs: dict[str, Path]) -> None:
    folder = RunFolder.open(runs["digits"])
    model, data = load_model(folder), run_data(folder)
    rows = [{"input": number} for number in range(10)]

    def chosen(count: int, fresh: int | None = None) -> list[int]:
        return [row["input"] for row in Redraw(model, data, count, fresh)._choose(rows)]

    assert chosen(2) == [2, 7]
    assert chosen(10) == chosen(99) == list(range(10))
    assert chosen(0) == []
    assert Redraw(model, data, 2)._choose([]) == []
    assert len({tuple(chosen(3, fresh)) for fresh in range(20)}) > 10
    assert all(len(set(chosen(3, fresh))) == 3 for fresh in range(20))


def test_new_noise_agrees_with_honest_certificates(runs: dict[str, Path]) -> None:
    folder = RunFolder.open(runs["digits"])
    result = verify_run(folder, load_model(folder), run_data(folder), redraw=12, fresh=7)
    assert (result.mismatches, result.redrawn) == ((), 12)
    code, out, _ = _command("verify", runs["digits"], "--redraw", 3, "--fresh", 1)
    assert (code, out) == (0, "12 certificates recomputed, 3 drawn again, 0 mismatches\n")


def test_new_noise_finds_counts_that_flatter(copy: Callable[[str], Path]) -> None:
    """All votes for the candidate, with everything that follows from it: only new draws can tell."""
    run = copy("digits")
    with closing(sqlite3.connect(run / "certificates.sqlite", isolation_level=None)) as connection:
        for index, candidate in connection.execute("SELECT input, candidate FROM certificates").fetchall():
            counts = json.dumps([300 if label == candidate else 0 for label in range(10)])
            connection.execute(
                "UPDATE certificates SET estimation_counts = ?, p_lower = ?, p_upper = ?, abstained = 0 "
                "WHERE input = ?",
                (counts, 0.001 ** (1 / 300), 1 - 0.001 ** (1 / 300), index),
            )
    _recompute(run, "rounding")
    code, _, err = _command("verify", run, "--redraw", 12, "--fresh", 3)
    assert code == 1
    assert "new draws (" in err


@pytest.mark.parametrize("bad", [-1, "x"])
def test_a_bad_seed_for_new_noise(bad: object, runs: dict[str, Path]) -> None:
    code, _, err = _command("verify", runs["digits"], "--fresh", bad)
    assert code == 2
    assert "--fresh" in err


def test_agreement() -> None:
    assert _agree("[98, 2]", (100, 0))
    assert not _agree("[97, 3]", (100, 0))
    assert _agree("[9990, 10]", (10_000, 0))
    assert not _agree("[9989, 11]", (10_000, 0))
    assert not _agree("[100]", (100, 0))
    assert not _agree("{}", (100, 0))
