"""Pairwise Justifier: says which of two responses is better, and why."""

__version__ = "0.1.0"
