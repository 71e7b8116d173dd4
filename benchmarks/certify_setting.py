"""What every process of `benchmarks/certify.py` starts from: networks, weights, images, options."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import heatproof as hp
from heatproof.networks import LeNet, ResNet

__all__ = ["NETWORKS", "NOISE_STD", "Options", "Setting", "images", "network", "train_briefly"]

NOISE_STD = 0.25
SEEN = 10_000
"""Images that the brief training looks at, once."""


@dataclass(frozen=True)
class Network:
    """A network of the page, the data set that it is for, and its input."""

    title: str
    data: str
    settings: LeNet | ResNet
    event: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


NETWORKS = {
    "lenet": Network("LeNet, 1×28×28", "mnist", LeNet(), (1, 28, 28), (0.1307,), (0.3081,)),
    "resnet": Network(
        "ResNet-20, 3×32×32", "cifar10", ResNet(), (3, 32, 32), (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
    ),
}


@dataclass(frozen=True)
class Options:
    """The options of `Execution` that are compared."""

    precision: str = "own"
    channels_last: bool = False
    compile: bool = False

    @property
    def title(self) -> str:
        """Say which are on."""
        words = ["bfloat16" if self.precision == "bfloat16" else "float32"]
        words += ["channels-last"] if self.channels_last else []
        words += ["compiled"] if self.compile else []
        return " + ".join(words)

    @property
    def chosen(self) -> dict[str, Any]:
        """Return those that differ from the default, as keywords."""
        return {name: value for name, value in asdict(self).items() if value not in (False, "own")}


@dataclass(frozen=True)
class Setting:
    """What one process measures: a network with its weights, on a device, with options.

    `rows` is how much it does at least, `seconds` how long a turn takes about.
    """

    network: str
    weights: str
    device: str = "cpu"
    options: Options = Options()
    rows: int = 2_000
    seconds: float = 3.0
    allocator: str = "keep"


def network(name: str, weights: str, device: str = "cpu") -> nn.Module:
    """Return the network in evaluation mode, with the weights of that file where there is one."""
    one = NETWORKS[name]
    torch.manual_seed(0)
    model = one.settings.build(one.event, 10, one.mean, one.std)
    if weights:
        model.load_state_dict(load_file(weights))
    return model.to(device).eval()


def images(name: str, count: int, *, part: str = "test", drawn: bool = False) -> tuple[Tensor, Tensor, str]:
    """Return images (count, *event) in [0, 1] on the grid 1/255, labels, and where they come from.

    With `drawn` they are random ones, and no data set is loaded.
    """
    one = NETWORKS[name]
    if not drawn and (Path(os.environ.get("HEATPROOF_DATA", "/nowhere")) / one.data).is_dir():
        split = getattr(hp.load(one.data), part)
        return split.x[:count], split.y[:count], f"{one.data} ({part})"
    source = torch.Generator().manual_seed(0)
    x = torch.randint(0, 256, (count, *one.event), generator=source) / 255
    return x, torch.randint(0, 10, (count,), generator=source), "random 8-bit images"


def train_briefly(name: str, path: Path, *, seen: int = SEEN) -> str:
    """Train once through `seen` noisy images, save the weights, and say what was done."""
    x, y, origin = images(name, seen, part="train")
    model = network(name, "").train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    source = torch.Generator().manual_seed(1)
    for rows in torch.randperm(len(x), generator=source).split(64):
        noisy = x[rows] + NOISE_STD * torch.randn(x[rows].shape, generator=source)
        loss = nn.functional.cross_entropy(model(noisy), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    save_file(model.state_dict(), str(path))
    return f"{origin}, {len(x)} noisy images seen once"
