"""The engine: everything that touches MLX, in worker processes. The daemon uses `client` alone.

In the daemon process (free of mlx): client, embedding, fits, call, pool, process, schedule, frames, states,
tasks, tokens, numerics. In a worker: worker, blas, encoding, classifying, fitting, models, adaptor, matching.
"""
