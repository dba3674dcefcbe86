"""Benchmarks: each part of Tributary beside its floor, a bare program that does the least the part must do."""
