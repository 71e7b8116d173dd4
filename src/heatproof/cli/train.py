"""`heatproof train`: from a configuration to a trained run folder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from heatproof.runs import RunConfig, RunFolder

__all__ = ["train"]

_SHOWN = {
    "loss": "total",
    "training accuracy": "train_accuracy",
    "validation accuracy": "validation_accuracy",
}


def train(
    config: Annotated[Path | None, typer.Argument(help="A YAML configuration.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="A configuration by name: heatproof info presets.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value; repeatable.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if left out.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with an interrupted run folder.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Train a network and write its run folder; an interrupted training can be resumed exactly."""
    from heatproof.cli._terminal import bars, resumable
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.training import resume_run, train_run

    if resume is not None:
        _refuse_with_resume(config, preset, overrides, out)
        path, chosen = resume, None
    else:
        chosen = _configuration(config, preset, overrides or [])
        path = out or Path("runs") / chosen.name
        RunFolder.check_vacant(path)
    command = f"heatproof train --resume {shlex.quote(str(path))}{' --trust' if trust else ''}"
    with resumable(command, RunFolder.at(path).state_file.is_file), bars() as stages:
        if chosen is None:
            folder = resume_run(path, trust=trust, progress=stages("train"))
        else:
            folder = train_run(chosen, path, trust=trust, progress=stages(f"{chosen.name}: train"))
    _tell(folder, path, trust=trust)


def _tell(folder: RunFolder, path: Path, *, trust: bool) -> None:
    from heatproof.cli._terminal import say
    from heatproof.runs.diagnosis import read_diagnosis
    from heatproof.runs.metrics import read_metrics

    records = read_metrics(folder)
    last = records[-1].values if records else {}
    words = [f"{word} {last[key]:.4f}" for word, key in _SHOWN.items() if key in last]
    say(f"Trained {folder.config.name}: {', '.join(words) or 'done'}. Run folder: {path}")
    place = f"{shlex.quote(str(path))}{' --trust' if trust else ''}"
    kept = read_diagnosis(folder)
    if kept is not None and kept.findings:
        found = ", ".join(finding.signature for finding in kept.findings)
        say(f"Found in training: {found}. What to change: heatproof doctor {place}")
    config = folder.config
    own = (config.certify.noise_std, config.certify.noise, config.objective.smoothing_noise)
    known = any(one is not None for one in own)
    steps = ("attack", "certify" if known else "certify --noise-std 0.25", "report")
    say("Next: " + "; ".join(f"heatproof {step} {place}" for step in steps))


def _configuration(config: Path | None, preset: str | None, overrides: list[str]) -> RunConfig:
    from heatproof._check import message
    from heatproof.errors import InputError
    from heatproof.runs.config import RunConfig
    from heatproof.runs.document import apply_overrides, read_yaml
    from heatproof.runs.presets import preset as load_preset

    if (config is None) == (preset is None):
        got = "neither" if config is None else "both"
        advice = "heatproof info presets lists the names."
        raise InputError(message("CONFIG or --preset", got, "exactly one of the two", advice), name="config")
    document = read_yaml(config) if config is not None else load_preset(str(preset))
    return RunConfig.from_mapping(apply_overrides(document, overrides))


def _refuse_with_resume(*others: object) -> None:
    from heatproof._check import message
    from heatproof.errors import InputError

    if any(other for other in others):
        got, allowed = "together with a configuration, --set or --out", "--resume alone"
        advice = "A run goes on with its own configuration: to change it, train into a new folder."
        text = message("--resume", got, allowed, advice)
        raise InputError(text, name="resume")
