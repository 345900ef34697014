"""Which files of a model folder are taken, and what they say about pooling and window. Knows no source.

A name that is not listed here is never copied, so pickles, code and stray links stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reexd.errors import InvalidInput
from reexd.pooling import UNIT
from reexd.registry.facts import is_causal, json_object, json_objects
from reexd.weights import gguf, safetensors

REQUIRED = ("config.json", "tokenizer.json")
OPTIONAL = (
    "1_Pooling/config.json",
    "chat_template.jinja",
    "config_sentence_transformers.json",
    "generation_config.json",
    "model.safetensors.index.json",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
)
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
SAFETENSORS, GGUF = ".safetensors", ".gguf"
WEIGHTS_SUFFIXES = (SAFETENSORS, GGUF)

POOLING_ENCODER = "mean"
POOLING_DECODER = "mean+last"  # only the last token's state has seen the whole text

# Everything but the weights is small; a larger one is not what its name says.
OTHER_FILE_MAX_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text becomes a vector. `pooling`: see reexd.pooling; 0 tokens: the model's own."""

    pooling: str = POOLING_ENCODER
    window_tokens: int = 0
    document_prefix: str = ""
    query_prefix: str = ""


def select(names: Iterable[str], where: str, file: str = "") -> list[str]:
    """The files to take of those a source has at the model's root, sorted. `file`: the GGUF file that is meant.

    safetensors come first, with the configuration and tokenizer they need beside them; a GGUF file holds both.
    Raises InvalidInput when one that is needed is missing, above all weights, or when it is not clear which.
    """
    present = set(names)
    weights = {name for name in present if name.endswith(SAFETENSORS) and "/" not in name}
    # Some repositories carry the same tensors twice, once in their author's own layout.
    weights = {name for name in weights if name.startswith("model")} or weights
    required = REQUIRED
    if file or not weights:
        weights, required = {_gguf(present, where, file)}, ()
    missing = [name for name in required if name not in present]
    if missing:
        raise InvalidInput(
            f"{where}: expected {', '.join(missing)} beside the weights, found none.", source=where
        )
    unfit = sorted(name for name in weights if not PLAIN_NAME.fullmatch(name))
    if unfit:
        raise InvalidInput(
            f"{where}: expected weight files named with A-Z a-z 0-9 . _ - and beginning with a letter or digit, "
            f"got {unfit[0][:200]!r}. Pull a folder in which it is renamed.",
            source=where,
        )
    return sorted(weights | present.intersection(REQUIRED + OPTIONAL))


def _gguf(present: set[str], where: str, file: str) -> str:
    """The one GGUF file to take."""
    found = sorted(name for name in present if name.endswith(GGUF) and "/" not in name)
    if file in found:
        return file
    if len(found) == 1 and not file:
        return found[0]
    if found:
        raise InvalidInput(
            f"{where}: expected one GGUF file{f' named {file}' if file else ''}, found {', '.join(found[:20])}. "
            "Say which: hf:ORG/REPO@REVISION#FILE.gguf",
            source=where,
        )
    pickled = sorted(name for name in present if name.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl")))
    got = f"only {', '.join(pickled[:3])}, which can run code when opened" if pickled else "none"
    raise InvalidInput(
        f"{where}: expected weights in safetensors or GGUF at the model's root, found {got}. "
        "Choose a revision or a repository that has them.",
        source=where,
    )


def check_weights(folder: Path, names: Iterable[str]) -> None:
    """Judge the headers of weight files that have arrived: every tensor lies in its file, in a type that is read.

    Raises ModelCorrupt, or InvalidInput naming the tensor and its type.
    """
    for name in names:
        if name.endswith(SAFETENSORS):
            safetensors.tensors(folder / name)
        elif name.endswith(GGUF):
            gguf.read(folder / name)


def check_sizes(sizes: Mapping[str, int], where: str, size_max_bytes: int) -> None:
    """Refuse what is larger than it may be, before a byte of it is written. Raises InvalidInput."""
    for name, size in sizes.items():
        if not name.endswith(WEIGHTS_SUFFIXES) and size > OTHER_FILE_MAX_BYTES:
            raise InvalidInput(
                f"{where}: expected {name} of at most {OTHER_FILE_MAX_BYTES} bytes, it has {size}."
            )
    total = sum(sizes.values())
    if total > size_max_bytes:
        raise InvalidInput(f"{where}: expected a model of at most {size_max_bytes} bytes, it has {total}.")


def _prefix(prompts: dict, *names: str) -> str:
    """The first of the named prompts that is given."""
    return next((prompts[name] for name in names if isinstance(prompts.get(name), str)), "")


def reading(folder: Path) -> Reading:
    """What a sentence-transformers folder says of itself; where it says nothing, what suits its kind."""
    pooling = json_object(folder / "1_Pooling" / "config.json")
    modes = {
        "mean": pooling.get("pooling_mode_mean_tokens"),
        "first": pooling.get("pooling_mode_cls_token"),
        "max": pooling.get("pooling_mode_max_tokens"),
        "last": pooling.get("pooling_mode_lasttoken"),
    }
    words = "+".join(name for name, on in modes.items() if on is True)
    window = json_object(folder / "sentence_bert_config.json").get("max_seq_length")
    prompts = json_object(folder / "config_sentence_transformers.json").get("prompts")
    prompts = prompts if isinstance(prompts, dict) else {}
    config = json_object(folder / "config.json")
    causal = is_causal(config) if config else any(folder.glob(f"*{GGUF}"))
    return Reading(
        pooling=(words or (POOLING_DECODER if causal else POOLING_ENCODER))
        + (UNIT if _normalises(folder) else ""),
        window_tokens=window if type(window) is int and 0 < window < 1 << 20 else 0,
        document_prefix=_prefix(prompts, "document", "passage"),
        query_prefix=_prefix(prompts, "query"),
    )


def _normalises(folder: Path) -> bool:
    """Whether the steps that sentence-transformers lists for this model end with unit vectors."""
    kinds = [str(step.get("type")) for step in json_objects(folder / "modules.json")]
    return any(kind.rpartition(".")[2] == "Normalize" for kind in kinds)
