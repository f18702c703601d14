"""Making a release again from what was recorded, and comparing the two."""
