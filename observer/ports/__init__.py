"""What the runtime asks of the outside world, as protocols. Adapters implement them, the engine never sees them."""
