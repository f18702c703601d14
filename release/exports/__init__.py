"""Releases in the layouts of other datasets."""
