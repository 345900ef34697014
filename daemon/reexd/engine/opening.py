"""Opening a language model: files checked, facts gathered, fingerprint made, sizes of units chosen.

Runs in the daemon, which reads configuration and tokenizer; a worker reads the weights. No mlx here.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from reexd.engine import gguf, models, numerics, prompting
from reexd.engine.call import Call
from reexd.engine.embedding import OpenModel
from reexd.engine.models import known
from reexd.engine.tasks import EngineSettings, EngineStatus
from reexd.engine.tokens import TextReader, window_tokens
from reexd.errors import InvalidSetting, ModelCorrupt
from reexd.pooling import Pooling, parse
from reexd.records import ModelFacts, ModelFiles

_READ_HERE = ("config.json", "tokenizer.json", "sentence_bert_config.json")
_UNIT_TOKENS_MAX = 16_384  # a tiny model would otherwise be sent whole waves
# On the CPU weights come from memory anew for every unit: 32 tokens of mpnet take 3.3 ms each, 64 take 2.6, 256 take
# 2.1 and 512 or more 2.0 (minilm .53, .41, .31, .30; one core). A worker is kept for queries there, so that none waits
# for such a unit; the longest one is bounded for the sake of whoever cancels.
_CPU_UNIT_TOKENS_MIN, _CPU_UNIT_LONGEST_S = 512, 1.5


def read_model(
    call: Call, model: ModelFiles, settings: EngineSettings, engine: EngineStatus
) -> tuple[ModelFacts, OpenModel]:
    """See `Engine.open`; `residency` remembers the answer, and has seen that the model fits."""
    pooling = parse(model.pooling)
    digests = _verified_digests(model)
    config = models.read_config(model.folder)
    _check_layers(pooling, models.layers(config), model.name)
    decoder = known.is_decoder(config["model_type"])
    if decoder:
        digests |= _verified(model, prompting.FILES)
    window = window_tokens(model.folder, models.positions(config), model.window_tokens)
    reader = TextReader.open(model.folder, window, model.document_prefix, decoder=decoder)
    # Workers verify the weights: they are the ones that read them.
    weights = {name: value for name, value in digests.items() if name.endswith((".safetensors", ".gguf"))}
    spec = {"folder": str(model.folder), "digests": weights}
    if model.adapter is not None:
        spec["adapter"] = str(model.adapter.folder)
    told = call.ask({"op": "open", "model": spec}).header
    opened = OpenModel(
        spec=spec,
        reader=reader,
        pooling=pooling,
        hidden_size=told["hidden_size"],
        multiplied=told["multiplied"],
        unit_tokens=unit_tokens(told["multiplied"], settings, engine),
        interactive_tokens=settings.interactive_tokens,
    )
    facts = ModelFacts(
        name=model.name,
        architecture=told["architecture"],
        hidden_size=opened.dimension,
        window_tokens=window,
        parameters=told["parameters"],
        size_bytes=told["size_bytes"],
        reads_prompts=told["reads_prompts"],
        fingerprint=numerics.fingerprint(
            model,
            digests,
            window=window,
            stride=reader.stride,
            backend=engine.backend,
            form=prompting.FORM if decoder else 0,
        ),
        layers=told["layers"],
    )
    return facts, opened


def _check_layers(pooling: Pooling, layers: int, name: str) -> None:
    """Before a worker reads weights that nobody would know of. Raises InvalidSetting."""
    if 0 < layers < pooling.layers:
        raise InvalidSetting(
            f"pooling {pooling} averages the last {pooling.layers} layers, and model {name} has {layers}",
            pooling=str(pooling),
        )


def unit_tokens(multiplied: int, settings: EngineSettings, engine: EngineStatus) -> int:
    """Padded tokens that take one unit of time, two operations per parameter that is multiplied; on the CPU at least as
    many as the weights are worth being fetched for."""
    per_s = numerics.operations_per_s(engine.backend, engine.blas_fast) / (2 * max(1, multiplied))
    tokens = per_s * settings.unit_s
    if engine.backend == "cpu":
        tokens = max(tokens, min(_CPU_UNIT_TOKENS_MIN, per_s * _CPU_UNIT_LONGEST_S))
    return int(min(_UNIT_TOKENS_MAX, max(1, tokens)))


def _verified_digests(model: ModelFiles) -> dict[str, str]:
    """SHA-256 of every file that changes the numbers; small ones are read now and compared with the pins."""
    digests = _verified(model, _READ_HERE)
    file = gguf.file(model.folder)
    for path in [file] if file is not None else sorted(model.folder.glob("*.safetensors")):
        digests[path.name] = model.digests.get(path.name) or _digest(path)
    return digests


def _verified(model: ModelFiles, names: tuple[str, ...]) -> dict[str, str]:
    """SHA-256 of those of the small files that there are. Raises ModelCorrupt for one that is not as it was pinned."""
    digests = {}
    for name in names:
        path = model.folder / name
        if not path.is_file():
            continue
        digests[name] = _digest(path)
        if digests[name] != model.digests.get(name, digests[name]):
            raise ModelCorrupt(
                f"{name} of {model.name}: SHA-256 {model.digests[name]} was pinned when it was pulled, the file"
                f" has {digests[name]}. Pull it again: reexctl models pull {model.name}",
                file=name,
            )
    return digests


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
