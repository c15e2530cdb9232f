"""Alignment by rewards of what the policy itself writes: `judge align rloo`."""
