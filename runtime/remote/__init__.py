"""A workspace on an object store, worked on in a local copy."""
