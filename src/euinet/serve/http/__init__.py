"""HTTP with bounds on everything: who may ask, how much, for how long."""
