"""YAML documents as people write them: places of keys, faults, values with their units."""
