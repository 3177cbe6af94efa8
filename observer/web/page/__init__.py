"""The page: the same view models as the API, as HTML that reads without a script."""
