"""Trained models against what people preferred."""
