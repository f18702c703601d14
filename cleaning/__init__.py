"""Cleaning: which titles and images are kept, which records show the same picture, and why."""
