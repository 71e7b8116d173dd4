"""Configurations that are wrong: each ends with 2, in one line that names the place and the remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Runner = Callable[..., tuple[int, str, str]]
Check = Callable[[tuple[int, str, str]], str]

DOCUMENTS = {
    "list": ("- 1\n- 2\n", "got a list; allowed: a YAML mapping"),
    "empty": ("", "got an empty document"),
    "word": ("hello", "got a str"),
    "truncated": ("name: a\nnetwork: {name: mlp", "line 2"),
    "tag": ("name: !!python/object/apply:os.mkdir [made]\n", "could not determine a constructor"),
    "twice": ("name: a\nseed: 1\nseed: 2\n", "the key 'seed' stands twice"),
    "number key": ("name: a\ntraining: {1: 2}\n", "the key 1 is no word"),
    "date": ("name: 2024-13-45\n", "month must be in 1..12"),
    "deep": ("name: " + "[" * 5_000, "nested too deep"),
    "cycle": ("name: a\nnetwork: &n {name: mlp, widths: *n}\n", "contains itself"),
    "bomb": (
        "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
        "more than 10,000 values",
    ),
    "nothing needed": ("name: a\ndata: digits\n", "network: got nothing; allowed: a value"),
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_file_that_is_no_configuration(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    heatproof: Runner,
    refused: Check,
) -> None:
    monkeypatch.chdir(tmp_path)
    text, said = DOCUMENTS[kind]
    Path("c.yaml").write_text(text, encoding="utf-8")
    assert said in refused(heatproof("train", "c.yaml", "--out", "run"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.yaml"]  # nothing was made, nothing ran


def test_a_configuration_that_is_missing_a_folder_or_binary(
    tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    assert "No such file or directory" in refused(heatproof("train", tmp_path / "none.yaml"))
    assert "Is a directory" in refused(heatproof("train", tmp_path))
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    assert "not a text file" in refused(heatproof("train", tmp_path / "binary"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("data=digit", "data set: got 'digit'; allowed: a path, or one of half_moons"),
        ("data=digit", "Did you mean 'digits'?"),
        ("data=no/such.npz", "no/such.npz: got no such file or folder"),
        (
            "data.nmae=digits",
            "data.nmae: got an unknown key; allowed: name, seed, size. Did you mean 'name'?",
        ),
        ("data.size=100", "size: got 100 for digits"),
        ("trainig.epochs=3", "trainig: got an unknown key"),
        ("trainig.epochs=3", "Did you mean 'training'?"),
        ("training.epoch=3", "training.epoch: got an unknown key"),
        ("training.epoch=3", "Did you mean 'epochs'?"),
        ("training.epochs=many", "training.epochs: got 'many'; allowed: a valid integer"),
        ("training.epochs=0", "training.epochs: got 0"),
        ("training.batch_size=", "training.batch_size: got None"),
        ("training=3", "training: got 3"),
        ("training.learning_rate=.nan", "training.learning_rate: got nan; allowed: a finite number"),
        ("training.budget=0", "training.budget: got 0"),
        ("training.milestones=[0.5, 2]", "training.milestones.1: got 2"),
        ("network=mpl", "network.name: got 'mpl'"),
        ("network=mpl", "Did you mean 'mlp'?"),
        ("network=lenet", "event_shape: got (1, 8, 8)"),
        ("network.widths=[0]", "network.widths.0: got 0"),
        ("network.depth=3", "network.depth: got an unknown key"),
        ("objective=gaussian_augmentation", "objective.noise_std or noise: got neither"),
        ("objective.noise_std=-1", "objective.noise_std: got -1"),
        ("objective={name: convection_diffusion, noise_std: 0.2, weight: 1}", "time"),
        ("attack.radii={}", "attack.radii: got {}"),
        ("attack.radii={l2: []}", "attack.radii.l2: got []"),
        ("attack.radii={l2: [-1]}", "attack.radii.l2.0: got -1"),
        ("certify.radii=[-1]", "certify.radii.0: got -1"),
        ("certify.alpha=1", "certify.alpha: got 1"),
        ("seed=-1", "seed: got -1"),
        ("seed=99999999999999999999", "seed: got 99999999999999999999"),
        ("data=~nobody-of-that-name/x.npz", "no such file or folder"),
        ("network={widths: [4]}", "network.name: got nothing; allowed: a value"),
        ("name=a/b", "name: got 'a/b'; allowed: a folder's name"),
        ("name='..'", "name: got '..'"),
        ("name='~a'", "name: got '~a'"),
        ("name=3", "name: got 3; allowed: a valid string"),
        ("epochs", "--set: got 'epochs'; allowed: key=value. For example --set training.epochs=5."),
        ("=3", "--set: got '=3'"),
        ("training..epochs=3", "--set: got 'training..epochs=3'"),
        ("training.epochs={", "--set: got '{'"),
        ("training.epochs.more=1", "epochs has no keys"),
        ("name=!!python/name:os.system", "--set: got '!!python/name:os.system'"),
    ],
)
def test_a_wrong_value_names_its_place(
    *, change: str, said: str, config: Path, tmp_path: Path, heatproof: Runner, refused: Check
) -> None:
    outcome = heatproof("train", config, "--out", tmp_path / "run", "--set", change)
    assert said in refused(outcome).replace('"', "'")
    assert not (tmp_path / "run").exists()


def test_epochs_beside_a_budget_are_refused(heatproof: Runner, refused: Check) -> None:
    lengths = ("--set", "training.epochs=1", "--set", "training.budget=2")
    line = refused(heatproof("train", "--preset", "digits_natural", *lengths))
    assert "got epochs 1 and budget 2; allowed: one of the two" in line


def test_neither_and_both_of_configuration_and_preset(
    config: Path, heatproof: Runner, refused: Check
) -> None:
    neither = refused(heatproof("train"))
    assert "CONFIG or --preset: got neither; allowed: exactly one of the two" in neither
    assert "heatproof info presets" in neither
    assert "got both" in refused(heatproof("train", config, "--preset", "half_moons"))


def test_an_unknown_preset_names_the_nearest(heatproof: Runner, refused: Check) -> None:
    line = refused(heatproof("train", "--preset", "halfmoons"))
    assert "allowed: cifar10_resnet20" in line
    assert "Did you mean 'half_moons'?" in line


def test_resume_stands_alone(config: Path, tmp_path: Path, heatproof: Runner, refused: Check) -> None:
    assert "--resume alone" in refused(heatproof("train", config, "--resume", tmp_path))
    assert "--resume alone" in refused(heatproof("train", "--set", "seed=1", "--resume", tmp_path))
