"""Measures Flueman against peers, in turns on one machine: `python -m bench`, `make bench`."""
