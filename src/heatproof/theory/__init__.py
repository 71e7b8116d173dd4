"""The theory, measured: axioms of evolution operators, recovery of coefficients, complexity, diffusivity."""
