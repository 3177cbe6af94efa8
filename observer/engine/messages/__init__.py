"""The sentences of decisions."""
