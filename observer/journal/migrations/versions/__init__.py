"""Steps from one revision of the journal's schema to the next."""
