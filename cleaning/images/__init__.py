"""Pictures: decoded under limits, fingerprinted, and kept or refused by versioned rules."""
