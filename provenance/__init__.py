"""Provenance: where every record came from, what became of it, and whether a release is sound."""
