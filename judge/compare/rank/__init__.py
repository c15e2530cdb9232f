"""Judgments as games: `judge rank`."""
