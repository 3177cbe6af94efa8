"""What page and API show: view models, made from the last tick and the journal. All times are Unix seconds."""
