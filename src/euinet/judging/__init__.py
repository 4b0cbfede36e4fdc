"""A model meets data: metrics, where OOD is the positive class, test records, the operating point."""
