"""Draws of many inputs, forward passes side by side, and the counts of votes."""
