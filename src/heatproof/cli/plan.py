"""`heatproof plan`: what a certification will cost, before it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from heatproof.noise import Noise
    from heatproof.runs.config import CertifySettings
    from heatproof.runs.pilot import Measured
    from heatproof.runs.plan import Plan, PlanRequest

__all__ = ["plan"]

_SLOWEST = 1e-6
"""Samples a second; slower than that, seconds would be no numbers."""


def plan(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="A trained run folder, for a pilot of its model.")
    ] = None,
    probabilities: Annotated[
        Path | None, typer.Option(help="Instead of RUN: an .npz file with top-class probabilities p.")
    ] = None,
    every: Annotated[int | None, typer.Option(help="Take every k-th probability, or input.")] = None,
    noise_std: Annotated[float | None, typer.Option(help="Standard deviation s, in input units.")] = None,
    radii: Annotated[
        str | None, typer.Option(help="Radii to decide, with commas. Left out: as configured.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Failure probability of each certificate (0.001).")
    ] = None,
    horizon: Annotated[int, typer.Option(help="The most samples an input.")] = 100_000,
    acr: Annotated[bool, typer.Option("--acr", help="Forecast full radii (ACR) as well.")] = False,
    seeds: Annotated[int, typer.Option(help="How many simulations.")] = 20,
    selection_samples: Annotated[
        int | None, typer.Option(help="n₀ an input. Left out: as few as the radius allows.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Samples a second. Left out: measured.")] = None,
    dimension: Annotated[
        int | None,
        typer.Option(help="Numbers in one input of --probabilities: the lattice's rounding is included."),
    ] = None,
    pilot_inputs: Annotated[int, typer.Option(help="Inputs of RUN to draw votes for.")] = 50,
    pilot_samples: Annotated[int, typer.Option(help="Votes for each of them.")] = 1_000,
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Simulate the stopping rules on probabilities, from a file or a pilot of RUN, and print the cost."""
    import json

    from heatproof._check import check_number, check_whole
    from heatproof.cli._terminal import say
    from heatproof.runs.config import CertifySettings
    from heatproof.runs.plan import plan as make
    from heatproof.statistics import check_draws

    _check_source(run, probabilities, dimension)
    for name, value in (
        ("seeds", seeds),
        ("pilot-inputs", pilot_inputs),
        ("dimension", 1 if dimension is None else dimension),
    ):
        check_whole(f"--{name}", value)
    for name, value in (("horizon", horizon), ("pilot-samples", pilot_samples)):
        check_draws(f"--{name}", value)
    if selection_samples is not None:
        check_draws("--selection-samples", selection_samples)
    if rate is not None:
        check_number("--rate", rate, at_least=_SLOWEST)
    given = {"noise_std": noise_std, "alpha": alpha, "every": every, "radii": _radii(radii)}
    changes = {key: value for key, value in given.items() if value is not None}
    if probabilities is not None:
        request, measured = _from_file(probabilities, CertifySettings(**changes), rate)
    else:
        request, measured = _from_run(run, changes, rate, pilot_inputs, pilot_samples, trust=trust)
    options: dict[str, Any] = {"horizon": horizon, "seeds": seeds, "acr": acr}
    if dimension is not None:
        options["dimension"] = dimension
    if selection_samples is not None:
        options["selection_samples"] = selection_samples
    made = make(measured, replace(request, **options))
    if as_json:
        say(json.dumps(made.to_mapping(), allow_nan=False))
        return
    for line in _lines(made):
        say(line)


def _check_source(run: Path | None, probabilities: Path | None, dimension: int | None) -> None:
    """Refuse a plan of nothing, or of two things."""
    from heatproof._check import message
    from heatproof.errors import InputError

    if (run is None) == (probabilities is None):
        got = "neither RUN nor --probabilities" if run is None else "both RUN and --probabilities"
        raise InputError(message("plan", got, "one of them"), name="probabilities")
    if run is not None and dimension is not None:
        text = message("--dimension", dimension, "nothing: RUN has inputs of a size of its own")
        raise InputError(text, name="dimension")


def _radii(words: str | None) -> tuple[float, ...] | None:
    """Return the numbers of a list with commas."""
    from heatproof._check import check_number, message
    from heatproof.errors import InputError

    if words is None:
        return None
    try:
        radii = tuple(float(word) for word in words.split(","))
    except ValueError:
        allowed = "numbers with commas, such as 0.25,0.5"
        raise InputError(message("--radii", repr(words), allowed), name="radii") from None
    return tuple(check_number("--radii", radius, at_least=0) for radius in radii)


def _from_file(path: Path, settings: CertifySettings, rate: float | None) -> tuple[PlanRequest, Measured]:
    from heatproof._check import message
    from heatproof.errors import InputError
    from heatproof.noise import Gaussian
    from heatproof.runs.pilot import Measured, lenet_rate, read_probabilities

    if settings.noise_std is None:
        allowed = "the noise_std that the probabilities are of"
        raise InputError(message("--noise-std", "nothing", allowed), name="noise_std")
    p = read_probabilities(path, settings.every)
    request = _request(settings, Gaussian(noise_std=settings.noise_std), len(p))
    if rate is not None:
        return request, Measured(p, len(p), rate, "as given")
    return request, Measured(p, len(p), lenet_rate(), "a LeNet on 28×28 inputs, measured on this machine")


def _request(settings: CertifySettings, noise: Noise, inputs: int) -> PlanRequest:
    """Return the request that the settings make, with the level of one input."""
    from heatproof.runs.plan import PlanRequest

    return PlanRequest(
        noise=noise,
        radii=tuple(sorted(set(settings.radii))),
        norm=settings.norm or ("l2" if noise.norm == "mahalanobis" else noise.norm),
        alpha=settings.alpha / (inputs if settings.alpha_scope == "table" else 1),
        selection_samples=settings.selection_samples,
        tolerance=settings.tolerance,
        price=settings.price,
    )


def _from_run(
    run: Path | None,
    changes: Mapping[str, object],
    rate: float | None,
    inputs: int,
    samples: int,
    *,
    trust: bool,
) -> tuple[PlanRequest, Measured]:
    from heatproof.cli._terminal import bars
    from heatproof.noise import Gaussian
    from heatproof.runs.certify import certifiable
    from heatproof.runs.config import CertifySettings
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.pilot import pilot
    from heatproof.runs.training import load_model

    folder = RunFolder.open(run or Path())
    settings = CertifySettings.from_mapping({**folder.config.certify.to_mapping(), **changes})
    model, data = load_model(folder, trust=trust), run_data(folder)
    settings = certifiable(settings, folder, model)
    with bars() as stages:
        measured = pilot(model, data, settings, inputs=inputs, samples=samples, progress=stages("pilot"))
    own = settings.noise_std or float(getattr(model, "noise_std", 0.0))
    noise = settings.noise or Gaussian(noise_std=own)
    request = _request(settings, noise, measured.inputs)
    request = replace(request, dimension=data.dimension, grid_step=data.grid_step)
    return request, measured if rate is None else replace(measured, rate=rate, rate_of="as given")


def _lines(made: Plan) -> Iterator[str]:
    """Say the plan in words and a table."""
    asked = made.request
    yield (
        f"{made.inputs} inputs; {asked.noise.describe()}, alpha {asked.alpha:g}, "
        f"horizon {asked.horizon}, {asked.seeds} simulations; {made.rate:,.0f} samples/s ({made.rate_of})"
    )
    yield _rounding(asked)
    yield (
        f"{asked.norm + ' radius':>9}"
        "  mean samples       median  certified  fixed n  P(false certificate)  time for all"
    )
    for one in made.radii:
        yield (
            f"{one['radius']:9g}  {_mean(one)}  {one['median_samples']:9,.0f}  "
            f"{one['certified_fraction']:9.4f}  {one['fixed_n_certified_fraction']:7.4f}  "
            f"{one['false_certificate_probability']:20.4g}  {_duration(one['seconds'])}"
        )
    joint = made.joint
    held = ", ".join(f"{fraction:.4f}" for fraction in joint["certified_fraction"])
    yield (
        f"All radii on the same samples: mean {joint['mean_samples']:,.0f}, median "
        f"{joint['median_samples']:,.0f}, certified {held}; {_duration(joint['seconds'])}"
    )
    if made.acr is not None:
        yield _full_radii(made.acr)
    yield (
        f"Guarantee: for each input on its own, with probability at least 1 − {asked.alpha:g} over the draws "
        "(exact, at its worst in the table), no radius is certified within which its class changes."
    )


def _rounding(asked: PlanRequest) -> str:
    if asked.dimension is None:
        return "The rounding to the certifier's lattice is not included: --dimension includes it."
    lost = 2.0 * asked.half_cell * asked.factor
    return (
        f"Included: {lost:.3g} ({asked.norm}) of each radius, for rounding {asked.dimension} numbers twice."
    )


def _full_radii(acr: dict[str, float]) -> str:
    return (
        f"Full radii: ACR {acr['acr']:.4f} with a mean of {acr['mean_samples']:,.0f} samples; fixed n "
        f"{acr['fixed_n_acr']:.4f}, {acr['loss']:.4f} more with {acr['ratio']:.1f} times the samples; "
        f"{_duration(acr['seconds'])}"
    )


def _mean(one: dict[str, float]) -> str:
    error = one["mean_samples_error"]
    return (
        f"{one['mean_samples']:9,.0f} ± {error:<5,.0f}"
        if error is not None
        else f"{one['mean_samples']:9,.0f}        "
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
