"""Review: what could not be mapped, and a person's answers to it."""
