"""The title model: which leaf a title alone speaks for, how surely, and how well that is known."""
