"""Files that other tools and people exchange with Observer, read into domain values."""
