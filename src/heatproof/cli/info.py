"""`heatproof info`: what there is: data, networks, objectives, noises, presets, this machine, or one run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from heatproof.runs.folder import RunFolder

__all__ = ["info"]


def info(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOPIC]", help="data, networks, objectives, noises, presets, or a run folder."
        ),
    ] = None,
) -> None:
    """List what can be named in a configuration; without a topic, show versions and hardware."""
    from heatproof._check import check_choice
    from heatproof.cli._terminal import say

    topics: dict[str, Callable[[], Iterator[str]]] = {
        "data": _data,
        "networks": _networks,
        "objectives": _objectives,
        "noises": _noises,
        "presets": _presets,
    }
    if topic is None:
        lines = _environment()
    elif topic in topics:
        lines = topics[topic]()
    elif os.path.exists(topic):  # noqa: PTH110 - never raises, whatever the word
        lines = _run(Path(topic))
    else:
        check_choice("topic", topic, (*topics, "a run folder that exists"))
        return
    for line in lines:
        say(line)


def _environment() -> Iterator[str]:
    from heatproof.runs.environment import environment

    return (f"{name}: {value}" for name, value in environment().items())


def _data() -> Iterator[str]:
    from heatproof.data import names

    yield from names()
    yield "or a path: an .npz file, a folder of .npy files, a folder of Parquet files"


def _networks() -> Iterator[str]:
    from heatproof.networks import describe

    for one in describe():
        size = f"{one.parameters:,} parameters on {one.usual_input}" if one.parameters else "your own module"
        yield f"{one.name}: {one.summary} Takes {one.takes}; {size}; can be time-conditioned."


def _objectives() -> Iterator[str]:
    from heatproof.objectives import describe

    return (f"{name}: {summary}" for name, summary in describe())


def _noises() -> Iterator[str]:
    from heatproof.noise import describe

    for name, summary, norm, fields in describe():
        yield f"{name}: {summary} Radii in {norm}, and from it in every lp; fields: {', '.join(fields)}."
    yield (
        "as --noise uniform,half_width=0.5, or in a configuration: certify: {noise: {name: …}}; interior is "
        "for a chain of your own (heatproof.networks.InteriorClassifier), in Python"
    )


def _presets() -> Iterator[str]:
    from heatproof.runs.presets import describe

    return (f"{name}: {summary}" for name, summary in describe())


def _run(path: Path) -> Iterator[str]:
    from heatproof.runs.folder import RunFolder

    folder = RunFolder.open(path, status=None)
    state = folder.state
    yield f"status: {state.status}; made by heatproof {state.heatproof}"
    yield from (f"seconds, {stage}: {seconds:.1f}" for stage, seconds in state.seconds.items())
    yield from _measured(folder)
    yield folder.config.to_yaml().rstrip()


def _measured(folder: RunFolder) -> Iterator[str]:
    from heatproof.certification import CertificateStore
    from heatproof.runs.attack import read_attacks

    kinds = {(row["norm"], row["radius"], row["attack"], row["split"]) for row in read_attacks(folder)}
    yield from (
        f"attacked: {norm} radius {radius:g}, {attack}, {split}"
        for norm, radius, attack, split in sorted(kinds)
    )
    if folder.certificates.is_file():
        with CertificateStore(folder.certificates, read_only=True) as store:
            for one in store.certifications():
                settings, done = one.settings, len(store.stored(one))
                draws = "n =" if settings.method == "fixed" else "n ≤"
                yield (
                    f"certified: {done} of {len(one.index)} inputs, {one.split}; the {settings.classifier} "
                    f"with {settings.noise.describe()}, "
                    f"{settings.method} {draws} {settings.estimation_samples}, "
                    f"alpha = {settings.alpha:g} {settings.alpha_scope}"
                )
