"""Usage of the command line: help, unknown words, values out of range, and how fast help is there."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]
Spawn = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = ("demo", "train", "attack", "certify", "verify", "report", "info")
HELP_SECONDS = 0.5


@pytest.mark.parametrize("words", [[], *([one] for one in COMMANDS)], ids=lambda words: "".join(words) or "-")
def test_help_ends_with_0_and_says_what_the_command_does(words: list[str], heatproof: Runner) -> None:
    code, out, err = heatproof(*words, "--help")
    assert (code, err) == (0, "")
    assert out.startswith("Usage: ")
    assert all(one in out for one in ([] if words else COMMANDS))


def test_no_words_at_all_show_the_help_and_end_with_2(heatproof: Runner) -> None:
    code, out, err = heatproof()
    assert (code, err) == (2, "")
    assert "Commands:" in out
    assert "130 interrupted" in out


@pytest.mark.parametrize("words", [[], *([one] for one in COMMANDS)], ids=lambda words: "".join(words) or "-")
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    start = "from heatproof.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", start, *words, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"torch", "numpy", "scipy", "sklearn", "pyarrow", "altair", "rich"}


def test_help_is_there_at_once(spawn: Spawn) -> None:
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        assert spawn("--help").returncode == 0
        seconds.append(time.perf_counter() - began)
    print(f"heatproof --help: {min(seconds):.2f} s")  # noqa: T201 - shown with pytest -s
    assert min(seconds) < HELP_SECONDS


def test_version_is_one_line(heatproof: Runner) -> None:
    import heatproof as package

    assert heatproof("--version") == (0, f"heatproof {package.__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "No such command 'trian'"),
        (["train", "--epochs", "3"], "No such option: --epochs"),
        (["attack"], "Missing argument 'RUN'"),
        (["report"], "Missing argument 'RUN...'"),
        (["certify", "run", "--alpha", "little"], "Invalid value for '--alpha'"),
        (["certify", "run", "--limit", "1.5"], "Invalid value for '--limit'"),
        (["certify", "run", "--alpha"], "requires an argument"),
        (["verify", "one", "two"], "unexpected extra argument"),
    ],
)
def test_bad_usage_is_one_line_and_2(words: list[str], said: str, heatproof: Runner) -> None:
    line = _usage(heatproof(*words))
    assert said in line
    assert "--help)" in line


def _usage(outcome: tuple[int, str, str]) -> str:
    """Return the one line of a usage error ("unexpected extra argument" is a usage error's own word)."""
    code, _, err = outcome
    assert code == 2
    assert err.startswith("heatproof: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("alpha", "0", "alpha: got 0.0; allowed: greater than 0"),
        ("alpha", "1", "alpha: got 1.0; allowed: less than 1"),
        ("alpha", "2", "alpha: got 2.0; allowed: less than 1"),
        ("alpha", "nan", "alpha: got nan; allowed: a finite number"),
        ("noise-std", "0", "noise_std: got 0.0; allowed: greater than 0"),
        ("noise-std", "-1", "noise_std: got -1.0; allowed: greater than 0"),
        ("noise-std", "nan", "noise_std: got nan; allowed: a finite number"),
        ("noise-std", "inf", "noise_std: got inf; allowed: a finite number"),
        ("estimation-samples", "0", "estimation_samples: got 0; allowed: greater than or equal to 1"),
        ("estimation-samples", "-5", "estimation_samples: got -5"),
        ("selection-samples", "0", "selection_samples: got 0"),
        ("selection-samples", "-1", "selection_samples: got -1"),
        ("every", "0", "every: got 0"),
        ("limit", "0", "limit: got 0"),
        ("seed", "-1", "seed: got -1"),
        ("batch-size", "0", "batch_size: got 0"),
        ("split", "dev", "split: got 'dev'; allowed: test, validation, train"),
        ("classifier", "equatoin", "Did you mean 'equation'?"),
        ("classifier", "equation", "'equation' for a network without time"),
        ("export", "x.json", "--export: got 'x.json'; allowed: a name ending in .csv or .parquet"),
        ("export", "nowhere/x.csv", "in a folder that exists"),
    ],
)
def test_certify_refuses_values_out_of_range(
    *, option: str, value: str, said: str, finished: Path, heatproof: Runner, refused: Check
) -> None:
    assert said in refused(heatproof("certify", finished, f"--{option}={value}"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--steps=0"], "steps: got 0"),
        (["--restarts=0"], "restarts: got 0"),
        (["--every=0"], "every: got 0"),
        (["--limit=0"], "limit: got 0"),
        (["--loss=hinge"], "loss: got 'hinge'; allowed: margin, cross_entropy"),
        (["--norm=l2"], "--norm and --radius: got one without the other"),
        (["--radius=0.1"], "--norm and --radius: got one without the other"),
        (["--norm=l3", "--radius=0.1"], "--norm: got 'l3'; allowed: l2, linf"),
        (["--norm=l2", "--radius=-1"], "radii.l2.0: got -1.0; allowed: greater than 0"),
        (["--norm=l2", "--radius=0"], "radii.l2.0: got 0.0; allowed: greater than 0"),
        (["--norm=l2", "--radius=nan"], "radii.l2.0: got nan; allowed: a finite number"),
        (["--certificates", "--steps=0"], "--steps: got 0; allowed: a whole number ≥ 1"),
        (["--certificates", "--limit=0"], "--limit: got 0; allowed: a whole number ≥ 1"),
        (["--certificates", "--seed=-1"], "--seed: got -1; allowed: a whole number ≥ 0"),
        (["--certificates", "--every=2"], "--certificates: got --every beside it"),
        (["--certificates", "--norm=l2", "--radius=1"], "--certificates: got --norm, --radius beside it"),
    ],
)
def test_attack_refuses_values_out_of_range(
    options: list[str], said: str, finished: Path, heatproof: Runner, refused: Check
) -> None:
    assert said in refused(heatproof("attack", finished, *options))


@pytest.mark.parametrize("topic", ["data", "networks", "objectives", "noises", "presets"])
def test_info_lists_what_a_configuration_can_name(topic: str, heatproof: Runner) -> None:
    expected = {
        "data": "half_moons",
        "networks": "residual_mlp: ",
        "objectives": "convection_diffusion: ",
        "noises": "uniform: ",
        "presets": "digits_natural: ",
    }
    code, out, err = heatproof("info", topic)
    assert (code, err) == (0, "")
    assert expected[topic] in out


def test_info_without_a_topic_shows_versions(heatproof: Runner) -> None:
    code, out, _ = heatproof("info")
    assert code == 0
    assert "torch: " in out
    assert "processor: " in out


def test_info_of_an_unknown_topic_names_the_nearest(heatproof: Runner, refused: Check) -> None:
    assert "Did you mean 'networks'?" in refused(heatproof("info", "network"))
