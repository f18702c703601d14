"""Releases: the published Parquet shards, their splits, manifest and card."""
