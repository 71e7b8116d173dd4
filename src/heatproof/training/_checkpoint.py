"""Checkpoints without pickle: weights, their average and the optimiser's state in one safetensors file.

The rest is JSON in its header, with a digest of all of it, which safetensors itself does not have: a file
that was cut off or changed anywhere is refused.

No random state is stored: every epoch draws from generators keyed by (seed, epoch), so the next epoch of a
resumed training is the next epoch of an unbroken one, bit for bit on a CPU with the same number of threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import RunFolderError, StorageError
from heatproof.training._average import Average

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT = 1


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None = None,
    *,
    epoch: int,
    fingerprint: str,
) -> None:
    """Write atomically: `epoch` epochs are done; `fingerprint` names the settings they were done with.

    Errors: `StorageError`; the checkpoint before it is then intact.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in (average.values if average else {}).items()}
    for place, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{place}.{key}": value for key, value in state.items() if value is not None}
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    header = {"format": _FORMAT, "epoch": epoch, "fingerprint": fingerprint}
    _write(path, tensors, json.dumps({**header, "digest": _digest(header, tensors)}))


def _write(path: Path, tensors: dict[str, Tensor], header: str) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    try:
        save_file(tensors, temporary, {"heatproof": header})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())  # else a power cut could leave the new name on empty blocks
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        text = f"{path.name}: could not be written ({error}). The checkpoint before it, if any, is intact."
        raise StorageError(text) from error


def _digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    said = [header.get(key) for key in ("format", "epoch", "fingerprint")]
    digest = hashlib.blake2b(json.dumps(said).encode(), digest_size=16)
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name}:{value.dtype}:{tuple(value.shape)};".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None = None,
    *,
    fingerprint: str,
) -> int:
    """Restore model, optimizer and average in place and return how many epochs are done.

    Errors: `RunFolderError` if the file is damaged, of another format, or of another training.
    """
    header, tensors = _read(path)
    if header.get("format") != _FORMAT or header.get("fingerprint") != fingerprint:
        advice = "Train into a new folder, or remove the file to start again."
        allowed = "one of the same model, data, objective, settings and seed"
        raise RunFolderError(message(path.name, "a checkpoint of another training", allowed, advice))
    if header.get("digest") != _digest(header, tensors):
        raise _damaged(path, "it has changed since it was written")
    model.load_state_dict(_under("model.", tensors))
    _restore(optimizer, _under("optimizer.", tensors))
    if average is not None:
        average.load(_under("average.", tensors))
    return int(header["epoch"])


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["heatproof"])
            names = list(file.keys())
            tensors = {name: file.get_tensor(name).clone() for name in names}  # not views of the mapped file
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(header, dict):
        raise _damaged(path, "its header is no mapping")
    return header, tensors


def _damaged(path: Path, reason: str) -> RunFolderError:
    advice = "Remove the file to train from the start."
    return RunFolderError(message(path.name, f"a damaged file ({reason})", "a checkpoint", advice))


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        place, key = name.split(".", 1)
        state.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
