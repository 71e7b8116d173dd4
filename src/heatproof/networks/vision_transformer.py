"""A vision transformer that is small enough to train without an accelerator."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Literal, Self

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import InputError, LipschitzError
from heatproof.lipschitz import Bound
from heatproof.networks._attention import AttentionBranch, DenseBranch, TimeToken
from heatproof.networks._base import Depth, NetworkBase, Width
from heatproof.networks.noise_settings import NoiseLayers, residual_layer

__all__ = ["VisionTransformer", "VisionTransformerBackbone"]

_SPREAD = 0.5


class VisionTransformer(NetworkBase):
    """Transformer on the patches of an image, pre-norm; images whose sides are multiples of `patch`.

    Patches of `patch`×`patch` pixels become tokens of `width` numbers by one linear map, with positions added
    (learned, or fixed sines and cosines of the row and the column). `depth` times: x ← x + attention(x), then
    x ← x + dense(x), both of LayerNorm(x), with `heads` heads and `hidden` units with GELU. Then LayerNorm,
    the mean of the patches (or the class token), a linear head. Time is one more token, made of t by a small
    smooth network: no image is changed for it. `noise_layers` puts noise on every residual step.

    Source: Dosovitskiy et al. 2021. Where we differ: smaller, `hidden` is 2·width (4), the mean is the
    default (class token), learned positions start with standard deviation 0.5 (0.02), without which so narrow
    a network is slow to tell patches apart; sines and cosines after Vaswani et al. 2017. All is smooth, so
    exact Laplacians can be taken. Dot-product attention (Kim et al. 2021) and layer normalisation have no
    global Lipschitz constant: `lipschitz_bound` refuses it, and with it margin certificates and chains with
    diffusion inside. Certificates by noise at the input hold as for any network.
    """

    takes: ClassVar[Literal["images"]] = "images"
    usual_input: ClassVar[tuple[int, ...]] = (3, 32, 32)
    lipschitz: ClassVar[bool] = False
    time_enters: ClassVar[Literal["argument"]] = "argument"

    name: Literal["vision_transformer"] = "vision_transformer"
    patch: Annotated[int, Field(strict=True, ge=1, le=1024)] = 4
    width: Width = 64
    depth: Depth = 6
    heads: Annotated[int, Field(strict=True, ge=1, le=1024)] = 4
    hidden: Width = 128
    positions: Literal["learned", "sines"] = "learned"
    pooling: Literal["mean", "class_token"] = "mean"
    noise_layers: NoiseLayers | None = None

    @model_validator(mode="after")
    def _divides(self) -> Self:
        wanted = {"heads": self.heads, "4, for positions by sines": 4 if self.positions == "sines" else 1}
        for what, number in wanted.items():
            if self.width % number:
                allowed = f"a multiple of {what}" + (f" = {number}" if what == "heads" else "")
                raise InputError(message("width", self.width, allowed), name="width")
        return self

    def _seen(self, event: tuple[int, ...]) -> tuple[int, ...]:
        if len(event) == 3 and not event[1] % self.patch and not event[2] % self.patch:
            return event
        allowed = f"(channels, height, width) with height and width multiples of patch = {self.patch}"
        common = math.gcd(*event[1:]) if len(event) == 3 else 1
        advice = f"A patch that divides {common} fits." if common > 1 else "Use mlp for any input."
        raise InputError(message("event_shape", event, allowed, advice), name="event_shape")

    def _backbone(self, event: tuple[int, ...], classes: int) -> VisionTransformerBackbone:
        return VisionTransformerBackbone(self, event, classes)


class VisionTransformerBackbone(nn.Module):
    """The layers of the transformer: images (B, C, H, W), and times (B,) if it has time, to logits."""

    fixed: Tensor | None

    def __init__(self, settings: VisionTransformer, event: tuple[int, ...], classes: int) -> None:
        super().__init__()
        patch, width, noise = settings.patch, settings.width, settings.noise_layers
        rows, columns = event[1] // patch, event[2] // patch
        self.patches = nn.Conv2d(event[0], width, patch, stride=patch)
        self.class_token = _drawn(1, 1, width) if settings.pooling == "class_token" else None
        learned = settings.positions == "learned"
        self.positions = _drawn(1, rows * columns, width) if learned else None
        fixed = None if learned else _sines(rows, columns, width)
        self.register_buffer("fixed", fixed, persistent=False)
        self.time = TimeToken(width) if settings.time_conditioned else None
        self.blocks = nn.Sequential()
        for _ in range(settings.depth):
            self.blocks.append(residual_layer(noise, lambda: AttentionBranch(width, settings.heads)))
            self.blocks.append(residual_layer(noise, lambda: DenseBranch(width, settings.hidden)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(
        self, x: Float[Tensor, "batch channels height width"], t: Float[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch classes"]:
        """Return logits (B, K)."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)  # (B, patches, width)
        count = tokens.shape[1]
        tokens = tokens + (self.fixed if self.positions is None else self.positions)
        if self.time is not None and t is not None:
            tokens = torch.cat([tokens, self.time(t)], dim=1)
        if self.class_token is not None:
            tokens = torch.cat([tokens, self.class_token.expand(len(x), -1, -1)], dim=1)
        state = self.norm(self.blocks(tokens))
        pooled = state[:, :count].mean(dim=1) if self.class_token is None else state[:, -1]
        logits: Tensor = self.head(pooled)
        return logits

    def lipschitz_bound(self, event_shape: tuple[int, ...]) -> Bound:
        """Raise `LipschitzError`: there is no global constant."""
        got = f"VisionTransformer on inputs of shape {event_shape}"
        allowed = "a module whose global ℓ2 Lipschitz constant has a proved bound"
        advice = (
            "Dot-product attention (Kim et al. 2021) and layer normalisation have none. Certify it by noise "
            "at the input (certify), or use potential_flow."
        )
        raise LipschitzError(message("module", got, allowed, advice), name="module")


def _drawn(*sizes: int) -> nn.Parameter:
    return nn.Parameter(nn.init.normal_(torch.empty(*sizes), std=_SPREAD))


def _sines(rows: int, columns: int, width: int) -> Tensor:
    """Return (1, rows·columns, width): sines and cosines of the row, then of the column."""
    quarter = width // 4
    speeds = 10_000.0 ** (-torch.arange(quarter) / quarter)
    along, across = (torch.arange(size)[:, None] * speeds for size in (rows, columns))
    down = torch.cat([along.sin(), along.cos()], dim=1)[:, None].expand(rows, columns, 2 * quarter)
    right = torch.cat([across.sin(), across.cos()], dim=1)[None].expand(rows, columns, 2 * quarter)
    return torch.cat([down, right], dim=2).flatten(0, 1)[None]
