"""The shapes of the API: what page, API and command line all read. All times are Unix seconds, all rates 0..1."""
