"""Aligning a model with preferences: `judge align`."""
