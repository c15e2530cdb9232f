"""Benchmarks by their own scoring rules, and our stricter reading beside them."""
