"""Predictions that are answered later: rows that web processes take turns at."""
