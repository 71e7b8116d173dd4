"""Several processes that train one model: what they must agree on, and what they tell each other."""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor

from heatproof._check import message
from heatproof.errors import InputError

__all__ = ["agreed", "bad_launch", "check_launch", "require_one", "spread"]


def require_one(what: str) -> None:
    """Refuse to be one of several processes. Errors: `InputError`."""
    if _launched() > 1:
        allowed, advice = f"1 for {what}", "Start it without a launcher, or call heatproof.train in a script."
        raise InputError(message("processes", _launched(), allowed, advice), name="processes")


def check_launch(accelerator: Accelerator) -> None:
    """Refuse processes that would each train for itself, unknown to accelerate. Errors: `InputError`."""
    if _launched() != accelerator.num_processes:
        raise bad_launch(f"{_launched()} of them, {accelerator.num_processes} for accelerate")


def bad_launch(got: str) -> InputError:
    """Return the error for processes that were not started as accelerate expects it."""
    allowed = "one, or several with RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE set"
    advice = "Start them with torchrun --nproc-per-node N."
    return InputError(message("processes", got, allowed, advice), name="processes")


def agreed(accelerator: Accelerator, numbers: Iterable[int]) -> bool:
    """Return whether all processes have given the same numbers, as many each. Waits for all."""
    own = torch.tensor([list(numbers)], device=accelerator.device)
    everyone: Tensor = accelerator.gather(own)
    return bool((everyone == own).all())


def spread(values: Iterable[Tensor]) -> None:
    """Give every process the values of the first, in place."""
    for value in values:
        value.copy_(broadcast(value))


def _launched() -> int:
    """Return how many processes a launcher (torchrun) has started, by torch.distributed or its variables."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return int(torch.distributed.get_world_size())
    words = os.environ.get("WORLD_SIZE", "1")
    return int(words) if words.isdecimal() else 1
