"""Prompts to answers, turn by turn: ``judge respond``."""
