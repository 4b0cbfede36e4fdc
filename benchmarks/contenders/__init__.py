"""What `benchmarks/speed.py` sets against each other, each run as a process of its own."""
