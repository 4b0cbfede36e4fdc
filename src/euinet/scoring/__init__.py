"""A trained EuiNet and images go in; scores, a threshold and decisions come out."""
