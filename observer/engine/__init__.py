"""Pure functions over the domain: no clock, no randomness, no input or output. A tick enters by ``decide`` only."""
