"""The reex daemon: one language model, one training loop, one calibration state, one store."""
