"""Tuning: the top layers of a language model trained with the labels, before an adaptor is fitted to what they make.

Everything but `settings` runs in worker processes.
"""
