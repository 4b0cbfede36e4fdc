"""Plumbing that knows no image: files, locks, interrupts, processes."""
