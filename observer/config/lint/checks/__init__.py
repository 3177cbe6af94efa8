"""The checks, one a file; each exports ``CHECK``. ``registry`` lists them, ``docs/checks`` explains them."""
