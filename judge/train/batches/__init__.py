"""Examples to batches: packed, balanced, cut."""
