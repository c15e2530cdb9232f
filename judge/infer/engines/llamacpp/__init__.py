"""llama.cpp's own server."""
