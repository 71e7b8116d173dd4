"""The symmetric root of positive semi-definite matrices, with derivatives where eigenvalues coincide.

R² = A gives dR·R + R·dR = dA, a Sylvester equation; in the eigenvectors of A it reads
dR_ij = dA_ij/(√λ_i + √λ_j). Derivatives of the eigenvectors, which do not exist where eigenvalues meet
(A = σ²I), are not needed. Where √λ_i + √λ_j = 0, the derivative is taken to be 0.
Cost: one eigendecomposition for the root, and one for each derivative.
Reverse mode may be nested in any way, and forward mode over it or under it; forward mode over forward mode
gives wrong second derivatives: what PyTorch's own functions save has no outer tangent.
"""

from __future__ import annotations

from typing import Any, final

import torch
from torch import Tensor

__all__ = ["symmetric_root"]


def symmetric_root(matrix: Tensor) -> Tensor:
    """Return R, (B, d, d), symmetric with R² = A. Eigenvalues below 0 (rounding) count as 0."""
    root: Tensor = _Root.apply(matrix)  # type: ignore[no-untyped-call]
    return root


@final
class _Root(torch.autograd.Function):
    """A ↦ R."""

    generate_vmap_rule = True

    @staticmethod
    def forward(matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        root: Tensor = (vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mT
        return root

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        del inputs
        ctx.save_for_backward(output)
        ctx.save_for_forward(output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return _solve(root, _symmetric(gradient))

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return _solve(root, _symmetric(tangent))


@final
class _Sylvester(torch.autograd.Function):
    """(R, G) ↦ X with RX + XR = G, all symmetric."""

    generate_vmap_rule = True

    @staticmethod
    def forward(root: Tensor, right: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(root)
        sums = values[..., :, None] + values[..., None, :]
        floor = 100 * torch.finfo(values.dtype).eps * values.abs().amax(dim=-1)[..., None, None]
        turned = vectors.mT @ right @ vectors
        kept = torch.where(sums > floor, turned / sums, torch.zeros_like(turned))
        solved: Tensor = vectors @ kept @ vectors.mT
        return solved

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        root, solved = ctx.saved_tensors
        right = _solve(root, _symmetric(gradient))
        return -(right @ solved + solved @ right), right

    @staticmethod
    def jvp(ctx: Any, root_tangent: Tensor, right_tangent: Tensor) -> Tensor:
        root, solved = ctx.saved_tensors
        return _solve(root, right_tangent - _symmetric(root_tangent @ solved + solved @ root_tangent))


def _solve(root: Tensor, right: Tensor) -> Tensor:
    solved: Tensor = _Sylvester.apply(root, right)  # type: ignore[no-untyped-call]
    return solved


def _symmetric(values: Tensor) -> Tensor:
    return (values + values.mT) / 2
