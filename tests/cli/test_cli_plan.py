"""`heatproof plan`: figures from a file and from a pilot, and what it refuses in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

from heatproof.certification._procedure import procedure
from heatproof.noise import Gaussian

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]

KEYS = {
    "radius",
    "mean_samples",
    "median_samples",
    "certified_fraction",
    "fixed_n_certified_fraction",
    "false_certificate_probability",
    "seconds",
}
FEW = ("--noise-std", 0.25, "--horizon", 2_000, "--seeds", 2, "--rate", 1_000)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "p.npz"
    np.savez(path, p=ndtr(np.linspace(-1, 5, 60)))
    return path


def _plan(heatproof: Runner, *words: object) -> dict[str, Any]:
    code, out, err = heatproof("plan", *words, "--json")
    assert code == 0, err
    found: dict[str, Any] = json.loads(out)
    return found


def test_one_object_with_the_figures_of_each_radius(file: Path, heatproof: Runner) -> None:
    made = _plan(heatproof, "--probabilities", file, "--radii", "0.5,0.25,0.25", "--acr", *FEW)
    assert [one["radius"] for one in made["radii"]] == [0.25, 0.5]
    for one in made["radii"]:
        assert set(one) >= KEYS
        assert 0 < one["false_certificate_probability"] <= 0.001
        assert one["seconds"] == pytest.approx(60 * one["mean_samples"] / 1_000)
        assert one["certified_fraction"] == pytest.approx(one["fixed_n_certified_fraction"], abs=0.03)
        assert one["mean_samples"] < 1_000
    assert made["joint"]["mean_samples"] > made["radii"][1]["mean_samples"]
    assert made["acr"]["fixed_n_acr"] - made["acr"]["acr"] == pytest.approx(made["acr"]["loss"])
    assert made["acr"]["loss"] < 0.05
    again = _plan(heatproof, "--probabilities", file, "--radii", "0.25,0.5", "--acr", *FEW)
    assert again == made


def test_every_kth_and_one_simulation(file: Path, heatproof: Runner) -> None:
    words = ("--radii", "0.25", "--every", 20, "--seeds", 1)
    made = _plan(heatproof, "--probabilities", file, *FEW, *words)
    assert made["inputs"] == 3
    assert made["radii"][0]["mean_samples_error"] is None
    assert made["acr"] is None
    code, out, _ = heatproof("plan", "--probabilities", file, *FEW, *words)
    assert code == 0
    assert "Guarantee: for each input on its own" in out


def test_the_rate_says_whose_it_is(file: Path, heatproof: Runner) -> None:
    words = ("--probabilities", file, "--radii", "0.25", "--noise-std", 0.25, "--horizon", 500, "--seeds", 1)
    assert _plan(heatproof, *words, "--rate", 5)["rate_of"] == "as given"
    measured = _plan(heatproof, *words)
    assert "LeNet on 28×28 inputs" in measured["rate_of"]
    assert measured["rate"] > 0


def test_a_pilot_of_a_run(run: Path, heatproof: Runner) -> None:
    words = ("--pilot-inputs", 4, "--pilot-samples", 100, "--horizon", 1_000, "--seeds", 2)
    made = _plan(heatproof, run, *words, "--radii", "0.1,0.25")
    assert made["noise_std"] == 0.25
    assert made["inputs"] == 10
    assert made["rate_of"] == "this run's model, timed on its pilot"
    assert [one["radius"] for one in made["radii"]] == [0.1, 0.25]


@pytest.mark.data
def test_the_published_figures(data_folder: Path, heatproof: Runner) -> None:
    """Mean samples an input, selection included, and certified fractions within 0.3 points of fixed n."""
    replay = data_folder / "replay" / "mnist_gaussian_0.25.npz"
    if not replay.is_file():
        pytest.skip("no replay of published probabilities")
    words = ("--noise-std", 0.25, "--radii", "0.25,0.5,0.75", "--rate", 1_000)
    made = _plan(heatproof, "--probabilities", replay, "--every", 20, *words)
    for one, most in zip(made["radii"], (150, 650, 6_100), strict=True):
        assert one["mean_samples"] <= most
        assert one["fixed_n_certified_fraction"] - one["certified_fraction"] <= 0.003
        assert 0.00098 < one["false_certificate_probability"] <= 0.001


def _saved(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"q": np.ones(3)}, "array p"),
        ({"p": np.array([0.5, 1.5])}, "1.5 at place 1"),
        ({"p": np.array([0.5, -0.1])}, "-0.1 at place 1"),
        ({"p": np.array([0.5, math.nan])}, "nan at place 1"),
        ({"p": np.zeros(0)}, "non-empty vector"),
        ({"p": np.ones((2, 2))}, "non-empty vector"),
        ({"p": np.array(["a"])}, "non-empty vector"),
        ({"p": np.array([{}], dtype=object)}, "array p of probabilities"),
    ],
)
def test_files_without_probabilities_are_refused(
    arrays: dict[str, Any], told: str, tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    path = _saved(tmp_path / "bad.npz", **arrays)
    assert told in refused(heatproof("plan", "--probabilities", path, "--radii", "0.25", *FEW))


def test_what_is_no_npz_is_refused(tmp_path: Path, heatproof: Runner, refused: Check) -> None:
    text, lone = tmp_path / "text.npz", tmp_path / "lone.npy"
    text.write_text("not an archive")
    np.save(lone, np.ones(3))
    for path in (text, lone, tmp_path / "nothing.npz", tmp_path):
        assert ".npz file with an array p" in refused(heatproof("plan", "--probabilities", path, *FEW))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--radii", "1.0"), "It takes --horizon"),
        (("--radii", "5"), "Raise --noise-std"),
        (("--radii", "-0.25"), "--radii"),
        (("--radii", "a,b"), "numbers with commas"),
        (("--radii", "nan"), "--radii"),
        (("--alpha", "0"), "alpha"),
        (("--alpha", "1e-20"), "alpha"),
        (("--noise-std", "0"), "noise_std"),
        (("--every", "0"), "every"),
        (("--seeds", "0"), "seeds"),
        (("--horizon", "0"), "horizon"),
        (("--rate", "0"), "rate"),
        (("--selection-samples", "-1"), "selection-samples"),
    ],
)
def test_values_that_make_no_plan_are_refused(
    words: tuple[str, ...], told: str, file: Path, heatproof: Runner, refused: Check
) -> None:
    given = ("--radii", "0.25", *FEW, *words)
    assert told in refused(heatproof("plan", "--probabilities", file, *given))


def test_a_plan_is_of_a_file_or_of_a_run(file: Path, heatproof: Runner, refused: Check) -> None:
    assert "neither" in refused(heatproof("plan", *FEW))
    assert "both" in refused(heatproof("plan", "somewhere", "--probabilities", file, *FEW))
    assert "noise-std" in refused(heatproof("plan", "--probabilities", file, "--radii", "0.25"))


def test_a_run_pays_for_the_rounding_as_the_certifier_does(run: Path, heatproof: Runner) -> None:
    from heatproof.certification import SmoothedPredictor
    from heatproof.certification._bounds import threshold
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.training import load_model

    words = (
        "--pilot-inputs",
        2,
        "--pilot-samples",
        50,
        "--horizon",
        1_000,
        "--seeds",
        1,
        "--noise-std",
        0.25,
    )
    made = _plan(heatproof, run, *words, "--radii", "0.1,0.25", "--acr")
    folder = RunFolder.open(run)
    data = run_data(folder)
    predictor = SmoothedPredictor(load_model(folder), noise_std=0.25, grid_step=data.grid_step)
    asked = procedure(predictor.noise, data.dimension, radii=[0.1, 0.25], estimation_samples=1_000)
    settings = predictor.settings(data.test.x[:1], **asked)
    for one in made["radii"]:
        assert one["threshold"] == threshold(settings, one["radius"])
        assert one["threshold"] > predictor.noise.threshold(one["radius"])
    assert made["joint"]["selection_samples"] == asked["selection_samples"]
    assert made["dimension"] == data.dimension


def test_full_radii_count_the_selection_draws_of_the_certifier(file: Path, heatproof: Runner) -> None:
    own = procedure(Gaussian(noise_std=0.25), 1, method="radius")["selection_samples"]
    words = ("--probabilities", file, "--radii", "0.25", "--acr", *FEW)
    assert _plan(heatproof, *words)["acr"]["selection_samples"] == own == 32
    assert _plan(heatproof, *words, "--selection-samples", 8)["acr"]["selection_samples"] == 8


def test_a_file_has_the_rounding_of_the_dimension_that_is_named(file: Path, heatproof: Runner) -> None:
    words = ("--probabilities", file, "--radii", "0.25", "--acr", *FEW)
    without, included = _plan(heatproof, *words), _plan(heatproof, *words, "--dimension", 150_528)
    assert without["rounding"] is None
    assert included["rounding"] == pytest.approx(150_528**0.5 * 0.25 * 2**-14, rel=1e-9)
    assert included["radii"][0]["threshold"] > without["radii"][0]["threshold"]
    assert included["acr"]["acr"] < without["acr"]["acr"]
    assert "not included" in heatproof("plan", *words)[1]
    assert "Included: 0.00592 (l2)" in heatproof("plan", *words, "--dimension", 150_528)[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--json", "--rate", "1e-320"), "--rate"),
        (("--horizon", str(10**12)), "137,438,943,232"),
        (("--dimension", "0"), "dimension"),
        (("--selection-samples", "0"), "selection-samples"),
    ],
)
def test_numbers_without_end_are_refused(
    words: tuple[str, ...], told: str, file: Path, heatproof: Runner, refused: Check
) -> None:
    assert told in refused(heatproof("plan", "--probabilities", file, "--radii", "0.25", *FEW, *words))


def test_a_run_knows_its_dimension(heatproof: Runner, refused: Check) -> None:
    assert "--dimension" in refused(heatproof("plan", "somewhere", "--dimension", 3, *FEW))
