"""Where facts come from: one adapter a package, none knows another."""
