"""What lies between two releases: every added, removed and changed record, and why."""
