"""Takedown: records leave for good, from every release, table, capture and cache."""
