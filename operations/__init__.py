"""Runs that look after themselves: what is due, what is told, what may be published, what goes."""
