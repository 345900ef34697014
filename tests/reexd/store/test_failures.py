"""What LMDB and the system say, told as what it means to a person."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from reexd.store.environment import Environment

MAP_SIZE_BYTES = 64 << 20


@pytest.mark.skipif(
    sys.platform != "linux", reason="address space is bounded there, and descriptors are counted"
)
@pytest.mark.parametrize("name", ["RLIMIT_AS", "RLIMIT_NOFILE"])
def test_a_limit_of_the_process_is_not_taken_for_damage(tmp_path: Path, name: str) -> None:
    """Whichever descriptor is one too many: the store opens, or says that it could not for now, and then is sound."""
    Environment(tmp_path / "store", MAP_SIZE_BYTES).close()
    program = textwrap.dedent(f"""
        import os, resource, sys
        from pathlib import Path
        from reexd.errors import QueueFull
        from reexd.store.environment import Environment
        path = Path(sys.argv[1])
        Environment(path, {MAP_SIZE_BYTES}).close()  # what is imported late is
        open_files = max(map(int, os.listdir("/proc/self/fd")))
        soft, hard = resource.getrlimit(resource.{name})
        refused = 0
        for spare in range(6):
            low = 4 << 30 if "{name}" == "RLIMIT_AS" else open_files + spare
            resource.setrlimit(resource.{name}, (low, hard))
            try:
                Environment(path).close()
            except QueueFull as error:
                assert "not damaged" in error.message
                refused += 1
        assert refused
        resource.setrlimit(resource.{name}, (soft, hard))
        Environment(path).close()
    """)
    command = [sys.executable, "-c", program, tmp_path / "store"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
