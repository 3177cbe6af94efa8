"""Objectives of other tools as OpenSLO v1 documents, and OpenSLO v1 as text; plain data in, plain data out."""
