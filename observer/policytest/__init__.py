"""Unit tests of policies and objectives: series and facts of a cluster in YAML, run through the engine itself."""
