"""Bounds, stopping rules and their exact audit; knows nothing of models."""
