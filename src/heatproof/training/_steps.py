"""The steps of one epoch: batches, shares of batches, one step of the optimiser each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import DivergenceError, HeatproofError, InputError, ModelError
from heatproof.objectives import Losses
from heatproof.training._session import Session, epoch_seed
from heatproof.training._settings import learning_rate
from heatproof.training._tally import Tally
from heatproof.training.diagnosis import divergence_error

__all__ = ["run_steps"]

_LOOK = 50
"""Steps between looks at the losses where a look waits for the device, or for other processes."""


def run_steps(session: Session, epoch: int) -> tuple[dict[str, float], float]:
    """Train one epoch; return the mean losses, and the last learning rate. Errors: `DivergenceError`."""
    torch.manual_seed(epoch_seed(session.seed, epoch, "global"))
    generator = session.generator(epoch_seed(session.seed, epoch, "objective"))
    session.model.train()
    alone = session.device.type == "cpu" and session.processes == 1
    tally = Tally(1 if alone else _LOOK, session.mean)
    rate, total = 0.0, session.total_steps
    for step, places in enumerate(_batches(session, epoch)):
        done = epoch * session.steps + step
        rate = learning_rate(session.settings, done, total)
        with _explained(session, first=step == 0):
            losses = [*_backward(session, (epoch, step), places, generator)]
        _update(session, rate, done + 1)
        _raise_if(session, epoch, tally.add(losses))
        session.progress(done + 1, total, f"epoch {epoch + 1}/{session.epochs}")
    _raise_if(session, epoch, tally.look())
    if not _finite(session.plain_model):
        _raise_if(session, epoch, session.steps_of(epoch) - 1)  # whose weights no loss has seen
    return tally.means, rate


def _batches(session: Session, epoch: int) -> Iterator[Tensor]:
    """Yield the places of the rows of each batch, of all processes."""
    generator = torch.Generator().manual_seed(epoch_seed(session.seed, epoch, "order"))
    order = torch.randperm(len(session.data.train.y), generator=generator)
    rows = order[: session.steps_of(epoch) * session.batch_size]
    yield from session.feed.placed(rows).split(session.batch_size)


def _backward(
    session: Session, at: tuple[int, int], places: Tensor, generator: torch.Generator
) -> Iterator[Losses]:
    """Yield the losses of each share of a batch that is this process's; gradients are of their mean."""
    session.optimizer.zero_grad()
    parts, own = places.chunk(session.shares), session.own_shares
    for share in own:
        if session.shares > 1:
            _seed(session, at, share, generator)
        with nullcontext() if share == own[-1] else session.accelerator.no_sync(session.model):
            x, y = session.feed.rows(parts[share])
            losses = session.objective(session.model, session.placed(session.augment(x)), y, generator)
            (losses.total if len(own) == 1 else losses.total / len(own)).backward()
        yield losses


def _seed(session: Session, at: tuple[int, int], share: int, generator: torch.Generator) -> None:
    """Key all randomness by the share, so that it does not matter which process computes it."""
    epoch, step = at
    torch.manual_seed(epoch_seed(session.seed, epoch, f"global/{step}/{share}"))
    generator.manual_seed(epoch_seed(session.seed, epoch, f"objective/{step}/{share}"))


def _update(session: Session, rate: float, step: int) -> None:
    if session.processes > 1:
        _require_gradients(session.plain_model)
    if session.settings.gradient_clip is not None:
        nn.utils.clip_grad_norm_(session.plain_model.parameters(), session.settings.gradient_clip)
    for group in session.optimizer.param_groups:
        group["lr"] = rate
    session.optimizer.step()
    if session.average is not None:
        session.average.add(step)


def _require_gradients(model: nn.Module) -> None:
    """Refuse weights that the loss does not reach: DistributedDataParallel would wait for them."""
    for name, weight in model.named_parameters():
        if weight.requires_grad and weight.grad is None:
            allowed = "a gradient for every weight in every step, in several processes"
            advice = "Freeze it (requires_grad = False), or train in one process."
            raise ModelError(message("model", f"no gradient for {name}", allowed, advice), name="model")


def _finite(model: nn.Module) -> bool:
    """Look at all weights at once: each look waits for the device."""
    return bool(torch.stack([torch.isfinite(weight).all() for weight in model.parameters()]).all())


def _raise_if(session: Session, epoch: int, step: int | None) -> None:
    if step is not None:
        raise _diverged(session, epoch, step)


def _diverged(session: Session, epoch: int, step: int) -> DivergenceError:
    return divergence_error(
        session.objective, session.settings, session.data.dimension, epoch=epoch + 1, step=step + 1
    )


@contextmanager
def _explained(session: Session, *, first: bool) -> Iterator[None]:
    """Say that it is compiled where the first step of a compiled network fails. Errors: `InputError`."""
    try:
        yield
    except Exception as error:
        known = isinstance(error, HeatproofError | torch.OutOfMemoryError)
        if known or not first or not session.settings.compile:
            raise
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
        got = f"true, but {type(error).__name__}: {lines[0][:200]}"
        allowed = "false, or true where torch.compile works (on a processor it needs g++ or clang)"
        advice = "Leave compile off for this model, objective or machine."
        raise InputError(message("compile", got, allowed, advice), name="compile") from error
