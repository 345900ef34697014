#!/bin/bash
# Prints the interpreter of the peers' environment (torch, reexpress_sdm), which it builds where it is absent:
# REEX_PEER_PYTHON names another. Where it cannot be had, prints nothing, and says in one line on stderr what that means.

set -u
python="$1" # of the project
peer="${REEX_PEER_PYTHON:-$PWD/.cache/peers/bin/python}"

works() { "$peer" -c 'import reexpress_sdm, torch' >/dev/null 2>&1; }

if [ -z "${REEX_PEER_PYTHON:-}" ] && ! works; then
    echo "building the peers' environment in .cache/peers (once; a download)" >&2
    "$python" -m bench peers >/dev/null 2>&1
fi
if works; then
    echo "$peer"
else
    echo "no reexpress_sdm for $peer: the tests against the official package are skipped" \
        "(python -m bench peers says why)" >&2
fi
