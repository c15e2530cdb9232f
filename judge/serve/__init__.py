"""An HTTP API in front of an engine: `judge serve`."""
