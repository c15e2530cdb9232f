"""The rules of reviewing as pure functions and types: no database, no clock, no page."""
