"""Titles: brought to plain text, told their language, and kept or refused by versioned rules."""
