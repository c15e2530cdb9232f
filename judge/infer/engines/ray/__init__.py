"""That engine's replicas on many nodes."""
