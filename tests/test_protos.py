"""The wire: stubs are fresh, the protos pass the linter, every rpc is documented and served."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROTOS = sorted((ROOT / "protos" / "reex" / "v1").glob("*.proto"))


def test_stubs_are_what_the_protos_generate(tmp_path: Path) -> None:
    pytest.importorskip("grpc_tools")
    spec = importlib.util.spec_from_file_location("gen_protos", ROOT / "tools" / "gen_protos.py")
    assert spec is not None and spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    generator.generate(tmp_path)
    fresh = {path.name: path.read_bytes() for path in (tmp_path / "reex" / "v1").iterdir()}
    kept = {
        path.name: path.read_bytes()
        for path in (ROOT / "client" / "reex" / "v1").iterdir()
        if path.suffix in (".py", ".pyi") and path.name != "__init__.py"
    }
    assert fresh == kept, "run `make protos` and commit what it writes"


def test_protos_pass_the_linter() -> None:
    buf = shutil.which("buf") or shutil.which("buf", path=str(Path(sys.executable).parent))
    if buf is None:
        pytest.skip("buf is not installed")
    done = subprocess.run([buf, "lint"], cwd=ROOT / "protos", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_every_rpc_has_a_comment_or_an_obvious_name(path: Path) -> None:
    lines = path.read_text().splitlines()
    bare = [
        line.strip()
        for previous, line in itertools.pairwise(lines)
        if re.match(r"\s*rpc ", line) and not previous.strip().startswith("//")
    ]
    assert all("rpc ListModels(" in line for line in bare), f"{path.name}: say what these mean: {bare}"


@pytest.mark.parametrize("path", PROTOS, ids=lambda path: path.stem)
def test_each_proto_has_one_rpc_file_with_its_stem(path: Path) -> None:
    handler = ROOT / "daemon" / "reexd" / "rpc" / f"{path.stem}.py"
    assert handler.exists(), f"{path.stem}.proto has no daemon/reexd/rpc/{path.stem}.py"
    service = re.search(r"^service (\w+)", path.read_text(), re.MULTILINE)
    assert service is not None
    text = handler.read_text()
    for rpc in re.findall(r"^\s*rpc (\w+)\(", path.read_text(), re.MULTILINE):
        assert f"async def {rpc}(" in text, f"{service[1]}.{rpc} is not implemented"
