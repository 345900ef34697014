"""Writes the stubs of `client/reex/v1` from `protos/`; a test calls `generate` to see whether they are fresh."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent


def generate(out: Path) -> None:
    """Run protoc over every proto of the package. Raises SystemExit with protoc's code when it fails."""
    protos = ROOT / "protos"
    sources = sorted(str(path) for path in (protos / "reex" / "v1").glob("*.proto"))
    well_known = files("grpc_tools") / "_proto"
    code = protoc.main(
        [
            "protoc",
            f"-I{protos}",
            f"-I{well_known}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--pyi_out={out}",
            *sources,
        ]
    )
    if code:
        raise SystemExit(code)


def main() -> None:
    generate(ROOT / "client")


if __name__ == "__main__":
    main()
