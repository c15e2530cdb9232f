"""The engine for any local or hub model."""
