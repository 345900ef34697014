"""Benches: one file per claim, run by `python -m bench NAME`. Figures, never asserted times; see README.md."""
