"""Makes what page and API show, from the last tick and the journal."""
