"""Bias probes: pairs altered on purpose, and what a judge or reward model makes of them."""
