"""Tests: unit (mirrors the package), property, golden, integration, contract, bench; the laboratory is tests/lab."""
