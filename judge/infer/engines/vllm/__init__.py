"""The engine over vLLM, and its masks."""
