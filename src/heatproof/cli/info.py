"""`heatproof info`: what there is: data, networks, objectives, presets, this machine, or one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["info"]


def info(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC]", help="data, networks, objectives, presets, or a run folder."),
    ] = None,
) -> None:
    """List what can be named in a configuration; without a topic, show versions and hardware."""
    from heatproof._check import check_choice
    from heatproof.cli._terminal import say

    topics: dict[str, Callable[[], Iterator[str]]] = {
        "data": _data,
        "networks": _networks,
        "objectives": _objectives,
        "presets": _presets,
    }
    if topic is None:
        lines = _environment()
    elif topic in topics:
        lines = topics[topic]()
    elif Path(topic).exists():
        lines = _run(Path(topic))
    else:
        check_choice("topic", topic, (*topics, "a run folder"))
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


def _presets() -> Iterator[str]:
    from heatproof.runs.presets import describe

    return (f"{name}: {summary}" for name, summary in describe())


def _run(path: Path) -> Iterator[str]:
    from heatproof.runs.folder import RunFolder

    folder = RunFolder(path)
    state = folder.state
    yield f"status: {state['status']}; made by heatproof {state['heatproof']}"
    yield from (f"seconds, {stage}: {seconds:.1f}" for stage, seconds in state["seconds"].items())
    yield folder.config.to_yaml().rstrip()
