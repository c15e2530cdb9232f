"""Reward models: `judge train reward` and `judge train weights`."""
