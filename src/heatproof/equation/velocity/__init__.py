"""Velocity fields v(x, t) of u_t = v·∇u + tr(A∇²u): one file each."""

from heatproof.equation.velocity._velocity import Velocity
from heatproof.equation.velocity.function import FunctionVelocity
from heatproof.equation.velocity.gradient import GradientVelocity
from heatproof.equation.velocity.linear import LinearVelocity
from heatproof.equation.velocity.network import NetworkVelocity
from heatproof.equation.velocity.zero import ZeroVelocity

__all__ = [
    "FunctionVelocity",
    "GradientVelocity",
    "LinearVelocity",
    "NetworkVelocity",
    "Velocity",
    "ZeroVelocity",
]
