"""A mesh that behaves like the real one, behind the same HTTP APIs: for the demo, the tests and the bench."""
