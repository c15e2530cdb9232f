"""The reports of a run, a comparison and a benchmark: pages that need nothing but themselves."""
