"""Objectives: counts of events in buckets, data states, budgets and burn rates. Pure; nothing here asks anybody."""
