"""A network on a graph as a model of B rows, for training losses that are written for batches."""

from __future__ import annotations

from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from heatproof._check import message
from heatproof.errors import InputError
from heatproof.networks.time import Time

__all__ = ["NodeBatch"]


@final
class NodeBatch(nn.Module):
    """The feature matrix cut into B equal pieces, the rows, and the answers at B labelled nodes.

    A loss of batches sees rows (B, M) with labels (B,). Row i is no node: the N·F numbers of the matrix,
    filled up with zeros, are cut into as many pieces as there are labels. Noise with independent coordinates
    on the rows is the same noise on the whole matrix; its copies (copies·B, M) are as many matrices, each of
    which goes through the network by itself. So a loss at noisy inputs is what it is for one joint input, and
    `directions` of the Laplacian are directions of the whole matrix. What treats rows one by one (a budget a
    row, a step size a row) means nothing here.

    `pieces` cuts, calling the module puts together. It shares the weights of `model`. Cost: a copy of the
    matrix. Errors: `InputError` for rows that are no whole copies, and times that differ within one.
    """

    def __init__(
        self, model: nn.Module, event_shape: tuple[int, int], nodes: Int64[Tensor, " labelled"]
    ) -> None:
        super().__init__()
        self.model = model
        self.event_shape = event_shape
        self.time_conditioned = bool(getattr(model, "time_conditioned", False))
        self._nodes = nodes
        self.length = -(-event_shape[0] * event_shape[1] // len(nodes))

    @property
    def rows(self) -> int:
        """B, the number of labelled nodes."""
        return len(self._nodes)

    def pieces(self, features: Float[Tensor, "nodes features"]) -> Float[Tensor, "rows length"]:
        """Return the feature matrix as B rows."""
        flat = features.flatten()
        return nn.functional.pad(flat, (0, self.rows * self.length - len(flat))).view(self.rows, self.length)

    def whole(self, pieces: Float[Tensor, "rows length"]) -> Float[Tensor, "nodes features"]:
        """Return the feature matrix of B rows."""
        nodes, features = self.event_shape
        return pieces.flatten()[: nodes * features].view(nodes, features)

    def forward(self, x: Float[Tensor, "batch length"], t: Time = None) -> Float[Tensor, "batch classes"]:
        """Return the logits at the labelled nodes for each copy, (copies·B, K)."""
        if x.ndim != 2 or x.shape[1] != self.length or len(x) % self.rows:
            got, allowed = f"shape {tuple(x.shape)}", f"(copies·{self.rows}, {self.length})"
            raise InputError(message("x", got, allowed, "Cut with pieces(features)."), name="x")
        copies = x.split(self.rows)
        return torch.cat(
            [
                self._asked(self.whole(one), time)
                for one, time in zip(copies, self._times(t, len(copies)), strict=True)
            ]
        )

    def _asked(self, features: Tensor, t: Time) -> Tensor:
        logits: Tensor = self.model(features, t) if self.time_conditioned else self.model(features)
        return logits[self._nodes.to(logits.device)]

    def _times(self, t: Time, copies: int) -> list[Time]:
        """Return the time of each copy."""
        if not isinstance(t, Tensor) or t.ndim == 0:
            return [t] * copies
        table = t.view(copies, self.rows)
        if bool((table != table[:, :1]).any()):
            got = "times that differ between the rows of one copy"
            raise InputError(message("t", got, "one time a graph"), name="t")
        return list(table[:, 0].unbind())
