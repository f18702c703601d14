"""Labels: the MEP-3M category tree and the rules that lead a shop's categories to its leaves."""
