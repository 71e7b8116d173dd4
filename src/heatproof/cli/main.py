"""`heatproof`: the subcommands, and how errors become one line and an exit code.

Exit codes: 0 done; 1 a sound request failed; 2 bad usage or input; 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import Annotated, Any

import typer

import heatproof
from heatproof.cli import attack, certify, demo, doctor, info, plan, report, solve, study, train, verify
from heatproof.cli._allocator import keep_memory
from heatproof.cli._terminal import Interrupted
from heatproof.errors import HeatproofError, InputError

__all__ = ["app", "run"]

app = typer.Typer(
    name="heatproof",
    help="Train classifiers as convection–diffusion equations, certify them, attack what was certified.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 bad usage or input, 130 interrupted.",
)
for _command in (
    demo.demo,
    train.train,
    doctor.doctor,
    attack.attack,
    plan.plan,
    certify.certify,
    verify.verify,
    report.report,
    study.study,
    solve.solve,
    info.info,
):
    app.command()(_command)

_ClickError: type[Any] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def _version(show: bool) -> bool:
    if show:
        sys.stdout.write(f"heatproof {heatproof.__version__}\n")
        raise typer.Exit
    return show


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Hold the options that come before a subcommand."""


def run() -> None:
    """Run the command line and leave the process with its exit code."""
    # OpenMP threads that spin while they wait stall a busy machine; before torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    _make_streams_safe()
    try:
        keep_memory()  # before a subcommand loads torch
    except InputError as error:
        sys.exit(_explain(error))
    sys.exit(_guarded(sys.argv[1:]))


def _make_streams_safe() -> None:
    """Have somewhere to write where a stream is closed, and a way to write ℓ2 where only ASCII goes."""
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - to the end
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - to the end
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _guarded(arguments: list[str]) -> int:
    try:
        code = app(arguments or ["--help"], standalone_mode=False)
    except (BrokenPipeError, SystemExit):  # the help text, which is not ours, read by nobody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
        return 0
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - every error becomes one line
        return _explain(error)
    if code == 130:  # typer's own word for Ctrl-C
        return _complain("interrupted", 130)
    return int(code or 0) if arguments else 2


def _explain(error: BaseException) -> int:
    """Print what went wrong in one line and return the exit code."""
    if _was_interrupted(error):
        return _complain(str(error) if isinstance(error, Interrupted) else "interrupted", 130)
    if isinstance(error, _ClickError):
        place = error.ctx.command_path if getattr(error, "ctx", None) else "heatproof"
        return _complain(f"{error.format_message()} (see {place} --help)", 2)
    if isinstance(error, HeatproofError):
        return _complain(str(error), 2 if isinstance(error, InputError) else 1)
    return _unexpected(error)


def _was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: caught half-way through an import, it comes out as another one."""
    while error is not None:
        if isinstance(error, (Interrupted, KeyboardInterrupt, typer.Abort)):
            return True
        error = error.__context__
    return False


def _unexpected(error: BaseException) -> int:
    if os.environ.get("HEATPROOF_DEBUG"):
        raise error
    reason = " ".join(str(error).split())[:300].rstrip(".")
    advice = "Set HEATPROOF_DEBUG=1 to see where."
    return _complain(f"unexpected {type(error).__name__}: {reason}. {advice}", 1)


def _complain(text: str, code: int) -> int:
    line = " ".join(part.strip() for part in text.splitlines())
    sys.stderr.write(f"heatproof: {line}\n")
    return code


def _show_warning(text: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    from heatproof.errors import GradientMaskingWarning, StabilityWarning, TrainingWarning

    if issubclass(category, (GradientMaskingWarning, StabilityWarning, TrainingWarning)):
        sys.stderr.write(f"heatproof: warning: {text}\n")
