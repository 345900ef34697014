"""Weight files as they declare themselves: every offset and length checked, nothing opened, nothing run.

    tensor.py        what both formats say of one tensor
    safetensors.py   Hugging Face's format
    gguf.py          llama.cpp's format, of which MLX reads some tensor types
    measure.py       parameters, bytes and type of a folder of either

Shared by the registry, which judges what arrives, and by the engine, which hands a file to MLX only after it
was checked. Reads headers; knows no architecture, no source, and no MLX.
"""
