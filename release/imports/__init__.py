"""Imports: an existing copy of MEP-3M becomes a run whose records say where they come from."""
