"""What the loop saw and decided as one compact, versioned file; replayed, it gives the same decisions."""
