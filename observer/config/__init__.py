"""Files that a person writes, read strictly: every fault at once, each with file, line and column."""
