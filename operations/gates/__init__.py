"""Gates: a run's figures are held against bounds and its own history before it may publish."""
