"""Extrapolation between two checkpoints: `judge train expo`."""
