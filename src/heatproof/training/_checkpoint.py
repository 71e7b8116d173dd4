"""Checkpoints without pickle: weights and momentum in one safetensors file, the rest as JSON in its header.

No random state is stored: every epoch draws from generators keyed by (seed, epoch), so the next epoch of a
resumed training is the next epoch of an unbroken one, bit for bit on a CPU with the same number of threads.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import RunFolderError, StorageError

__all__ = ["load_checkpoint", "save_checkpoint"]

_FORMAT = 1


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, *, epoch: int, fingerprint: str
) -> None:
    """Write atomically: `epoch` epochs are done; `fingerprint` names the settings they were done with."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for place, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{place}.{key}": value for key, value in state.items() if value is not None}
    header = json.dumps({"format": _FORMAT, "epoch": epoch, "fingerprint": fingerprint})
    temporary = path.with_name(f".{path.name}.partial")
    try:
        save_file(
            {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()},
            temporary,
            {"heatproof": header},
        )
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        text = f"{path.name}: could not be written ({error}). The checkpoint before it is intact."
        raise StorageError(text) from error


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, *, fingerprint: str
) -> int:
    """Restore model and optimizer in place and return how many epochs are done.

    Errors: `RunFolderError` if the file is damaged, of another format, or of other settings.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["heatproof"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        advice = "Remove the file to train from the start."
        raise RunFolderError(
            message(path.name, f"a damaged file ({error})", "a checkpoint", advice)
        ) from error
    if header["format"] != _FORMAT or header["fingerprint"] != fingerprint:
        advice = "Train into a new folder, or remove the file to start again."
        raise RunFolderError(
            message(path.name, "a checkpoint of other settings", "one of the same settings", advice)
        )
    model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
    _restore(optimizer, {k: v for k, v in tensors.items() if k.startswith("optimizer.")})
    return int(header["epoch"])


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        _, place, key = name.split(".", 2)
        state.setdefault(int(place), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
