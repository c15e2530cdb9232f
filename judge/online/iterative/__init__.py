"""Iterative DPO: ``judge align iterate``."""
