"""`heatproof certify`: certify a trained run, resumably."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from heatproof.runs.certify import CertifiedRun

__all__ = ["certify"]


def certify(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A trained run folder.")],
    noise_std: Annotated[
        float | None, typer.Option(help="Standard deviation s, in input units. Left out: as configured.")
    ] = None,
    classifier: Annotated[
        str | None, typer.Option(help="network (smoothed as it is) or equation (its heat flow from t = 0).")
    ] = None,
    alpha: Annotated[float | None, typer.Option(help="Failure probability of each certificate.")] = None,
    estimation_samples: Annotated[
        int | None, typer.Option("--estimation-samples", "-n", help="n an input.")
    ] = None,
    selection_samples: Annotated[int | None, typer.Option("--selection-samples", help="n₀ an input.")] = None,
    split: Annotated[str | None, typer.Option(help="test, validation or train.")] = None,
    every: Annotated[int | None, typer.Option(help="Take every k-th input.")] = None,
    limit: Annotated[int | None, typer.Option(help="Take at most so many inputs.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the noise.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows a forward pass.")] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the certificates to a .csv or .parquet file.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Let a factory network import your code.")] = False,
) -> None:
    """Certify inputs one by one into the run folder; run again after an interruption to go on."""
    from heatproof.certification import export_certificates
    from heatproof.cli._terminal import bars, resumable
    from heatproof.runs.certify import certifiable, certify_run
    from heatproof.runs.config import CertifySettings
    from heatproof.runs.folder import RunFolder
    from heatproof.runs.identity import run_data
    from heatproof.runs.training import load_model

    folder = RunFolder.open(run)
    given = {
        "noise_std": noise_std,
        "classifier": classifier,
        "alpha": alpha,
        "estimation_samples": estimation_samples,
        "selection_samples": selection_samples,
        "split": split,
        "every": every,
        "limit": limit,
        "seed": seed,
        "batch_size": batch_size,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    settings = CertifySettings.from_mapping({**folder.config.certify.to_mapping(), **changes})
    _check_export(export)
    model = load_model(folder, trust=trust)
    settings = certifiable(settings, folder, model)
    data = run_data(folder)
    with resumable("the same command"), bars() as stages:
        result = certify_run(folder, model, data, settings, stages("certify"))
    if export is not None:
        export_certificates(result.certificates, export)
    _tell(result, settings.radii)


def _tell(result: CertifiedRun, radii: tuple[float, ...]) -> None:
    from heatproof.certification import guarantee
    from heatproof.cli._terminal import say

    correct = [one for one in result.certificates if one.correct]
    count = len(result.certificates)
    say(
        f"{count} inputs ({result.resumed} from before): "
        f"ACR {sum(one.radius for one in correct) / count:.4f}, "
        f"right {len(correct)}, abstained {sum(one.abstained for one in result.certificates)}, "
        f"{result.seconds:.1f} s"
    )
    for radius in radii:
        held = sum(one.radius > radius or radius == 0 for one in correct)
        say(f"certified accuracy at ℓ2 radius {radius:g}: {held / count:.3f}")
    say(f"Guarantee: {guarantee(result.certificates[0].settings)}")


def _check_export(export: Path | None) -> None:
    """Refuse a bad file name before hours of sampling, not after them."""
    from heatproof._check import message
    from heatproof.errors import InputError

    if export is not None and (export.suffix not in {".csv", ".parquet"} or not export.parent.is_dir()):
        allowed = "a name ending in .csv or .parquet, in a folder that exists"
        raise InputError(message("--export", repr(str(export)), allowed), name="export")
