"""Generated stubs of the wire, package reex.v1. Written by tools/gen_protos.py; never edited."""
