"""The LMDB store: one environment per project and one for the catalogue. Knows nothing of the wire, of MLX,
or of jobs' meaning; modules are functions that take a transaction first. docs/storage.md gives every byte.
"""
