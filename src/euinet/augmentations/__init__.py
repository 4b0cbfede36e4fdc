"""What is made of known images while training: varied, posed, and pseudo-outliers."""
