"""The engine for OpenAI-compatible servers: by token ids, by chat messages."""
