"""The bench: how near the limit detection works, and how often it would act on nobody's fault."""
