"""Writes docs/settings.md from the daemon's settings themselves. `--check` writes nothing, fails when it is stale."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from reexd.config import GIB, KIB, MIB, Settings, variable

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

HEAD = f"""# Settings of the daemon

Written by `tools/write_settings_docs.py` from `daemon/reexd/config.py`; do not edit.

A flag of `reexd serve`, where it has one, wins over the variable, the variable over the file, the file over the
default. The variable is `REEX_` and the name in capitals: `{variable("drain_s")}=30`. The file is `config.toml`, which
every way of starting the daemon reads; `reexd paths` shows where it is looked for. It holds names and values:

```toml
document_size_max_bytes = 4194304
log_level = "debug"
```

The daemon reads them when it starts. An unknown name, or a value out of bounds, keeps it from starting, and it says
which. Sizes are in bytes, times in seconds; in the table KiB, MiB, GiB stand for 1,024 bytes and its powers.
`REEX_HOME` is no setting: it moves everything, the file included.

| name | default | from | to | what |
|---|---|---|---|---|
"""


def render() -> str:
    """The whole page."""
    return HEAD + "".join(_row(declared) for declared in dataclasses.fields(Settings))


def _row(declared: dataclasses.Field) -> str:
    about, low, high, words = (declared.metadata[key] for key in ("about", "low", "high", "words"))
    if words:
        about += f": {', '.join(words)}"
    size = declared.name.endswith("_bytes")
    bounds = ("" if bound is None else _shown(bound, size) for bound in (low, high))
    return f"| `{declared.name}` | {_shown(declared.default, size)} | {' | '.join(bounds)} | {about} |\n"


def _shown(value: object, size: bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'`"{value}"`'
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if size and value else ():
        if value % unit == 0:
            return f"{value // unit:,} {name}"
    return f"{value:,}" if isinstance(value, int) else f"{value:,g}"


def main() -> None:
    page = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE} is stale; write it anew: make docs")


if __name__ == "__main__":
    main()
