"""OpenSLO v1 documents: read strictly, joined by their references, turned into the engine's objectives."""
