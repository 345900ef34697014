"""The small trained network over frozen hidden states (sdm.md 3, 7, 16): settings, network, fit.

`settings` imports no MLX and may be used anywhere in the daemon; `network` and `fit` belong in a worker
process.
"""
