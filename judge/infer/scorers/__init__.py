"""Scorers: reward models behind one protocol."""
