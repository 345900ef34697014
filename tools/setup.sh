#!/usr/bin/env bash
# Sets up a virtual environment with the daemon, and on Linux a fast BLAS. Usage: setup.sh FOLDER EXTRAS
# Run again at will: what is there is kept.
set -euo pipefail
venv="${1:?usage: setup.sh FOLDER EXTRAS}"
extras="${2:?usage: setup.sh FOLDER EXTRAS}"
cd "$(dirname "$0")/.."

say() { printf '%s\n' "setup: $*" >&2; }

find_python() {
    local candidate
    for candidate in "${PYTHON3:-}" python3.13 python3.12 python3.11 python3; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

# apt as root, or through sudo where that asks no question; never with a prompt.
apt_install() {
    command -v apt-get >/dev/null || return 1
    local run=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return 1
        run=(sudo -n)
    fi
    export DEBIAN_FRONTEND=noninteractive
    "${run[@]}" apt-get install -y -qq "$@" >/dev/null 2>&1 && return
    "${run[@]}" apt-get update -qq >/dev/null 2>&1 && "${run[@]}" apt-get install -y -qq "$@" >/dev/null 2>&1
}

make_environment() {
    local python
    if ! python="$(find_python)"; then
        say "expected Python 3.11 or newer and found none; install it (Debian: apt install python3.11 python3.11-venv;" \
            "macOS: brew install python@3.12), or name it with PYTHON3=/path/to/python"
        exit 1
    fi
    [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
    say "virtual environment in $venv with $("$python" --version)"
    "$python" -m venv "$venv" 2>/dev/null && return
    rm -rf "$venv"
    if apt_install python3-venv && "$python" -m venv "$venv"; then return; fi
    say "$python has no venv module; install it (Debian: sudo apt install python3-venv) and run this again"
    exit 1
}

has_openblas() {
    "$venv/bin/python" - <<'PYTHON'
import sys
from reexd.engine.blas import load
sys.exit(not load().fast)
PYTHON
}

# MLX on Linux brings reference BLAS: without OpenBLAS everything works, some forty times slower.
get_openblas() {
    [ "$(uname -s)" = Linux ] || return 0
    has_openblas && return 0
    say "OpenBLAS"
    if apt_install libopenblas0 && has_openblas; then return 0; fi
    if command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null; then
        local folder package
        folder="$(mktemp -d)"
        if (cd "$folder" && apt-get download -qq libopenblas0-pthread libgfortran5 libquadmath0 >/dev/null 2>&1); then
            for package in "$folder"/*.deb; do dpkg-deb -x "$package" "$folder/unpacked"; done
            mkdir -p "$venv/lib/openblas"
            find "$folder/unpacked" -name '*.so*' \( -type f -o -type l \) -exec cp -L {} "$venv/lib/openblas/" \;
        fi
        rm -rf "$folder"
        has_openblas && return 0
    fi
    say "no OpenBLAS found: the daemon will run, slowly. Install it (Debian: sudo apt install libopenblas0)"
}

make_environment
say "packages ($extras)"
"$venv/bin/python" -m pip install -q --disable-pip-version-check -e ".[$extras]" 2>&1 | { grep -v WARNING || true; } >&2
get_openblas
say "ready: $venv/bin/reexctl --help"
