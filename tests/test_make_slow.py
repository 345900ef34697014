"""`make slow` finds the published package's environment, or says in one line that the tests against it are skipped."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRETENDS = "#!/bin/bash\necho $0 $@ >> {calls}\nexit {code}\n"


def program(path: Path, code: int) -> Path:
    """A stand-in for a Python, which writes down how it was called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PRETENDS.format(calls=path.parent / f"{path.name}-calls", code=code))
    path.chmod(0o755)
    return path


def found(folder: Path, project: Path, **environment: str) -> tuple[str, list[str]]:
    """(the interpreter it prints, the lines it says)."""
    script = ["bash", str(ROOT / "tools" / "peer_python.sh"), str(project)]
    ended = subprocess.run(
        script,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout.strip(), ended.stderr.splitlines()


@pytest.mark.parametrize("named", [True, False])
def test_an_environment_that_is_there_is_taken(tmp_path, named) -> None:
    built = program(tmp_path / ".cache" / "peers" / "bin" / "python", 0)
    other = program(tmp_path / "other", 0)
    project = program(tmp_path / "project", 1)
    environment = {"REEX_PEER_PYTHON": str(other)} if named else {}
    assert found(tmp_path, project, **environment) == (str(other if named else built), [])
    assert not (tmp_path / "project-calls").exists(), "nothing is built"


def test_one_that_is_absent_is_built(tmp_path) -> None:
    project = tmp_path / "project"
    built = tmp_path / ".cache" / "peers" / "bin" / "python"
    project.write_text(
        f'#!/bin/bash\n[ "$*" = "-m bench peers" ] || exit 1\n'
        f'mkdir -p {built.parent}; printf "#!/bin/bash\\n" > {built}; chmod +x {built}\n'
    )
    project.chmod(0o755)
    printed, _ = found(tmp_path, project)
    assert printed == str(built)


def test_one_that_cannot_be_had_is_said(tmp_path) -> None:
    project = program(tmp_path / "project", 1)
    printed, said = found(tmp_path, project)
    assert printed == ""
    assert "are skipped" in said[-1]
    named = str(program(tmp_path / "other", 1))
    printed, said = found(tmp_path, project, REEX_PEER_PYTHON=named)
    assert printed == ""
    assert len(said) == 1
    assert named in said[0]


def test_make_slow_passes_it_on() -> None:
    ended = subprocess.run(
        ["make", "-n", "-o", "setup", "slow", "VENV=somewhere"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "tools/peer_python.sh somewhere/bin/python" in ended.stdout
    assert 'REEX_PEER_PYTHON="$peer"' in ended.stdout
