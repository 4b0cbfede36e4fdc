"""A trained model as everybody uses it: its card, its exported decision, its calibration. No torch."""
