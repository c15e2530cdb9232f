"""Answers of several models to one judged result: `judge arena`."""
