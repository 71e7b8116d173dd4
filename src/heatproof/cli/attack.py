"""`heatproof attack`: attack a trained network, or its certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["attack"]

_BESIDE_CERTIFICATES = ("steps", "limit", "seed")


def attack(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run folder.")],
    norm: Annotated[
        str | None, typer.Option(help="l2 or linf; with --radius. Left out: as configured.")
    ] = None,
    radius: Annotated[list[float] | None, typer.Option(help="Radius in input units; repeatable.")] = None,
    steps: Annotated[int | None, typer.Option(help="Gradient steps.")] = None,
    restarts: Annotated[int | None, typer.Option(help="Random restarts.")] = None,
    loss: Annotated[str | None, typer.Option(help="margin or cross_entropy.")] = None,
    split: Annotated[str | None, typer.Option(help="test, validation or train.")] = None,
    every: Annotated[int | None, typer.Option(help="Take every k-th input.")] = None,
    limit: Annotated[int | None, typer.Option(help="Take at most so many inputs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random starts.")] = None,
    certificates: Annotated[
        bool, typer.Option("--certificates", help="Attack the certified radii instead; exit 1 if one breaks.")
    ] = False,
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Attack the one-pass network by PGD and store the result; or attack what was proved."""
    given: dict[str, object] = {
        "steps": steps,
        "restarts": restarts,
        "loss": loss,
        "split": split,
        "every": every,
        "limit": limit,
        "seed": seed,
    }
    if certificates:
        _certificates(run, given, norm, radius, trust=trust)
    else:
        _network(run, given, norm, radius, trust=trust)


def _network(
    run: Path, given: dict[str, object], norm: str | None, radius: list[float] | None, *, trust: bool
) -> None:
    from heatproof._check import check_choice, message
    from heatproof.cli._terminal import bars, say
    from heatproof.errors import InputError
    from heatproof.runs.attack import attack_run
    from heatproof.runs.config import AttackSettings
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.training import load_model

    folder = RunFolder.open(run)
    values = {key: value for key, value in given.items() if value is not None}
    if (norm is None) != (not radius):
        text = message("--norm and --radius", "one without the other", "both or neither")
        raise InputError(text, name="norm")
    if norm is not None:
        values["radii"] = {check_choice("--norm", norm, ("l2", "linf")): tuple(radius or ())}
    settings = AttackSettings.from_mapping({**folder.config.attack.to_mapping(), **values})
    model, data = load_model(folder, trust=trust), run_data(folder)
    with bars() as stages:
        results = attack_run(folder, model, data, settings, stages("attack"))
    natural = results[0].natural_accuracy
    say(
        f"natural accuracy {natural.value:.3f} [{natural.low:.3f}, {natural.high:.3f}] "
        f"on {natural.trials} inputs"
    )
    for result in results:
        share = result.robust_accuracy
        say(
            f"{result.norm} radius {result.radius:g}: robust accuracy {share.value:.3f} "
            f"[{share.low:.3f}, {share.high:.3f}]"
        )


def _certificates(
    run: Path, given: dict[str, object], norm: str | None, radius: list[float] | None, *, trust: bool
) -> None:
    from heatproof._check import check_whole, message
    from heatproof.cli._terminal import bars, say
    from heatproof.errors import InputError, VerificationError
    from heatproof.runs.attack import challenge_run
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.training import load_model

    others = {"norm": norm, "radius": radius or None, **given}
    extra = [f"--{key}" for key in others if others[key] is not None and key not in _BESIDE_CERTIFICATES]
    if extra:
        got, allowed = f"{', '.join(extra)} beside it", "--steps, --limit and --seed beside it"
        raise InputError(message("--certificates", got, allowed), name="certificates")
    steps, limit, seed = given["steps"], given["limit"], given["seed"]
    options = {
        "steps": 20 if steps is None else check_whole("--steps", steps),
        "limit": None if limit is None else check_whole("--limit", limit),
        "seed": 0 if seed is None else check_whole("--seed", seed, at_least=0),
    }
    folder = RunFolder.open(run)
    model, data = load_model(folder, trust=trust), run_data(folder)
    with bars() as stages:
        broken = challenge_run(folder, model, data, progress=stages("attack certificates"), **options)  # type: ignore[arg-type]
    say(f"certificates attacked inside their radii: {broken.attacked}, refuted: {broken.refuted}")
    if broken.refuted:
        raise VerificationError(f"{run}: {broken.refuted} certificates refuted at level {broken.level:g}")
