"""`heatproof certify`: certify a trained run, resumably."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from heatproof.cli._words import settings_from

if TYPE_CHECKING:
    from heatproof.certification import Certificates
    from heatproof.runs.certify import CertifiedRun

__all__ = ["certify"]


def certify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run folder.")],
    radii: Annotated[
        str | None,
        typer.Option(help="Decide on these radii, such as 0.25,0.5: as few draws as that takes."),
    ] = None,
    acr: Annotated[
        bool, typer.Option("--acr", help="Find every radius to within --tolerance, for their average.")
    ] = False,
    noise_std: Annotated[
        float | None, typer.Option(help="Standard deviation s, in input units. Left out: as configured.")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(help="Another noise, such as 'uniform,half_width=0.5' or 'laplace,noise_scale=0.2'."),
    ] = None,
    norm: Annotated[str | None, typer.Option(help="l1, l2, linf or lp; left out, that of the noise.")] = None,
    classifier: Annotated[
        str | None, typer.Option(help="network (smoothed as it is) or equation (its heat flow from t = 0).")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Failure probability of each certificate.")] = None,
    alpha_scope: Annotated[
        str | None, typer.Option(help="'per input', or 'table': alpha for all inputs together.")
    ] = None,
    vote: Annotated[str | None, typer.Option(help="hard (votes) or soft (mean probabilities).")] = None,
    runner_up: Annotated[
        str | None, typer.Option(help="complement (1 − p_A) or simultaneous (bounded by its own votes).")
    ] = None,
    estimation_samples: Annotated[
        int | None, typer.Option("--estimation-samples", "-n", help="n an input; the most, if they vary.")
    ] = None,
    selection_samples: Annotated[int | None, typer.Option("--selection-samples", help="n₀ an input.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="With --acr: what may be lost of a radius, in input units.")
    ] = None,
    price: Annotated[
        float | None, typer.Option(help="With --acr: the radius that one more draw must bring.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="test, validation or train.")] = None,
    every: Annotated[int | None, typer.Option(help="Take every k-th input.")] = None,
    limit: Annotated[int | None, typer.Option(help="Take at most so many inputs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a forward pass.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="bfloat16: faster, and another classifier, which is certified then.")
    ] = None,
    channels_last: Annotated[
        bool | None, typer.Option("--channels-last", help="Images by pixels: often faster.")
    ] = None,
    compiled: Annotated[
        bool | None, typer.Option("--compile", help="Compile the network first (some seconds).")
    ] = None,
    deterministic: Annotated[
        bool | None, typer.Option("--deterministic", help="Votes do not depend on the batch; slower.")
    ] = None,
    beside: Annotated[
        bool, typer.Option("--beside", help="Begin another certification beside an unfinished one.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write the certificates to a .csv or .parquet file.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Certify inputs one by one into the run folder; run again after an interruption to go on.

    Without --radii or --acr every input gets n draws. The guarantee is printed at the end.
    """
    given = dict(locals())
    from heatproof.certification import export_certificates
    from heatproof.cli._terminal import bars, resumable
    from heatproof.runs.certify import certifiable, certify_run
    from heatproof.runs.config import CertifySettings
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.training import load_model

    folder = RunFolder.open(run)
    settings = CertifySettings.from_mapping({**folder.config.certify.to_mapping(), **_changes(given)})
    _check_export(export)
    model = load_model(folder, trust=trust)
    settings = certifiable(settings, folder, model)
    data = run_data(folder)
    with resumable("the same command"), bars() as stages:
        result = certify_run(folder, model, data, settings, stages("certify"), beside=beside)
    if export is not None:
        export_certificates(result.certificates, export)
    _tell(result, settings.radii)


_OTHERS = ("run", "radii", "acr", "noise", "compiled", "beside", "export", "trust")
"""Options that are no setting of the same name."""


def _changes(given: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the options change."""
    own = {name: value for name, value in given.items() if name not in _OTHERS and value is not None}
    if given["compiled"] is not None:
        own["compile"] = given["compiled"]
    if given["noise"] is not None:
        noise = settings_from("--noise", given["noise"], "uniform,half_width=0.5")
        own = {"noise_std": None, "classifier": "network", **own, "noise": noise}
    return {**_method(given["radii"], acr=given["acr"]), **own}


def _method(radii: str | None, *, acr: bool) -> dict[str, Any]:
    """Return what --radii and --acr say of the method."""
    from heatproof._check import message
    from heatproof.errors import InputError

    if radii is None:
        return {"method": "radius"} if acr else {}
    if acr:
        text = message("--acr", "together with --radii", "one of the two", "--acr finds the radii itself.")
        raise InputError(text, name="acr")
    try:
        values = tuple(float(word) for word in radii.split(","))
    except ValueError:
        text = message("--radii", repr(radii), "numbers with commas, such as 0.25,0.5")
        raise InputError(text, name="radii") from None
    return {"method": "decision", "radii": values}


def _tell(result: CertifiedRun, radii: tuple[float, ...]) -> None:
    from heatproof._intervals import lower_bound
    from heatproof.certification import Certificates
    from heatproof.cli._terminal import say
    from heatproof.report.cells import format_norm
    from heatproof.statistics import draws_needed

    found = Certificates(result.certificates)
    settings, count = found.settings, len(found)
    samples = sum(one.samples for one in found) / count
    say(
        f"{count} inputs ({result.resumed} from before): "
        f"{_average(found)}"
        f"right {sum(one.correct for one in found)}, abstained {found.abstained.successes}, "
        f"{samples:,.0f} draws an input, {result.seconds:.1f} s"
    )
    if lower_bound(settings.estimation_samples, settings.estimation_samples, settings.level) <= 0.5:
        needed = draws_needed(0.5, settings.level)
        say(f"Note: so few draws certify nothing at alpha = {settings.level:g}; it takes {needed} at least.")
    for radius in settings.radii or radii:
        held = found.certified_accuracy(radius, settings.norm)
        say(f"certified accuracy at {format_norm(settings.norm)} radius {radius:g}: {held}")
    say(f"Guarantee: {found.guarantee}")


def _average(found: Certificates) -> str:
    """Return the average radius; a decision bounds it from below, and one on radius 0 alone says nothing."""
    settings = found.settings
    if settings.radii and not any(settings.radii):
        return ""
    least = "≥ " if settings.radii else ""
    return f"ACR {least}{found.average_certified_radius(settings.norm):.4f}, "


def _check_export(export: Path | None) -> None:
    """Refuse a bad file name before hours of sampling, not after them."""
    from heatproof._check import message
    from heatproof.errors import InputError

    if export is not None and (export.suffix not in {".csv", ".parquet"} or not export.parent.is_dir()):
        allowed = "a name ending in .csv or .parquet, in a folder that exists"
        raise InputError(message("--export", repr(str(export)), allowed), name="export")
