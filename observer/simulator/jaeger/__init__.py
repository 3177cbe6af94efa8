"""A Jaeger that holds the spans of the simulated mesh."""
