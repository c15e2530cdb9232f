"""Supervised fine-tuning of a judge: `judge train justifier`."""
