"""`heatproof info`: what there is: data, networks, objectives, noises, presets, this machine, or one run."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from heatproof.networks import NetworkDescription
    from heatproof.runs.folder import RunFolder

__all__ = ["info"]


def info(
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOPIC]", help="data, networks, objectives, noises, presets, or a run folder."
        ),
    ] = None,
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON value (not of a run folder).")
    ] = False,
) -> None:
    """List what can be named in a configuration; without a topic, show versions and hardware."""
    from heatproof._check import check_choice
    from heatproof.cli._terminal import say

    topics: dict[str | None, tuple[Callable[[], Any], Callable[[], Iterator[str]]]] = {
        None: (_environment_values, _environment),
        "data": (_data_values, _data),
        "networks": (_network_values, _networks),
        "objectives": (_objective_values, _objectives),
        "noises": (_noise_values, _noises),
        "presets": (_preset_values, _presets),
    }
    if topic in topics:
        values, lines = topics[topic]
        for line in [json.dumps(values(), ensure_ascii=False)] if as_json else lines():
            say(line)
    elif topic is not None and os.path.exists(topic):  # noqa: PTH110 - never raises, whatever the word
        _check_no_json(topic, as_json=as_json)
        for line in _run(Path(topic)):
            say(line)
    else:
        check_choice("topic", topic, (*filter(None, topics), "a run folder that exists"))


def _check_no_json(topic: str, *, as_json: bool) -> None:
    from heatproof._check import message
    from heatproof.errors import InputError

    if as_json:
        advice = f"{topic}/run.json and config.yaml are what is known of a run."
        raise InputError(message("--json", f"the folder {topic}", "a topic, or none", advice), name="--json")


def _environment_values() -> dict[str, Any]:
    from heatproof.runs.environment import environment

    return dict(environment())


def _environment() -> Iterator[str]:
    return (f"{name}: {value}" for name, value in _environment_values().items())


def _data_values() -> list[str]:
    from heatproof.data import names

    return list(names())


def _data() -> Iterator[str]:
    yield from _data_values()
    yield "or a path: an .npz file, a folder of .npy files, a folder of Parquet files"


def _network_values() -> list[dict[str, Any]]:
    import dataclasses

    return [dataclasses.asdict(one) for one in _described()]


def _described() -> Iterator[NetworkDescription]:
    from heatproof.networks import describe, graph

    yield from describe()
    yield from graph.describe()


def _networks() -> Iterator[str]:
    for one in _described():
        size = "your own module"
        if one.parameters and one.usual_input:
            shape = "×".join(map(str, one.usual_input))
            size = f"{one.parameters:,} parameters on {shape} with {one.classes} classes"
        yield f"{one.name}: {one.summary} Takes {one.takes}; {size}. {_supports(one)}"


def _supports(one: NetworkDescription) -> str:
    """Say what a network can and cannot be asked for."""
    words = {True: "yes", False: "no", None: "as your module"}
    found = {
        "Time": one.time_conditioned,
        "Lipschitz bound": one.lipschitz,
        "noise layers": one.noise_layers,
    }
    return "; ".join(f"{name}: {words[value]}" for name, value in found.items()) + "."


def _objective_values() -> list[dict[str, Any]]:
    from heatproof.objectives import describe

    return [{"name": name, "summary": summary} for name, summary in describe()]


def _objectives() -> Iterator[str]:
    return (f"{one['name']}: {one['summary']}" for one in _objective_values())


def _noise_values() -> list[dict[str, Any]]:
    from heatproof.noise import describe

    return [
        {"name": name, "summary": summary, "norm": norm, "fields": list(fields)}
        for name, summary, norm, fields in describe()
    ]


def _noises() -> Iterator[str]:
    for one in _noise_values():
        yield (
            f"{one['name']}: {one['summary']} Radii in {one['norm']}, and from it in every lp; fields: "
            f"{', '.join(one['fields'])}."
        )
    yield (
        "as --noise uniform,half_width=0.5, or in a configuration: certify: {noise: {name: …}}; interior is "
        "for a chain of your own (heatproof.networks.InteriorClassifier), in Python"
    )


def _preset_values() -> list[dict[str, Any]]:
    from heatproof.runs.presets import describe

    return [{"name": name, "summary": summary} for name, summary in describe()]


def _presets() -> Iterator[str]:
    return (f"{one['name']}: {one['summary']}" for one in _preset_values())


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
