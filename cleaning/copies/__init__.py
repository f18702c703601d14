"""Copies: which records show one picture, who represents them, and what must share a split."""
