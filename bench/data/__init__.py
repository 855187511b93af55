"""Measures the preparation of Korean rows against peers, in turns on one machine: `python -m bench.data`."""
