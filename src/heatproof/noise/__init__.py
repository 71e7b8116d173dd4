"""Noises: keyed sampling, the input lattice, and what each noise certifies."""
