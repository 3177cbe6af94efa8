"""Checks that ask a metric server what there is; each exports ``CHECK``. ``roll`` lists them."""
