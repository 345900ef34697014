"""A tokenizer from what a GGUF file holds of it: byte-level BPE with merges, checked before it is used.

The words of `tokenizer.ggml.pre` name ways of splitting a text before the merges; those below are the ones that
Hugging Face's tokenizers of the same models have. Source: llama.cpp, `llama-vocab.cpp`, and those models' own files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reexd.errors import InvalidSetting, ModelCorrupt
from reexd.weights.gguf import Header

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_CONTROL, _USER_DEFINED = 3, 4  # kinds of tokens that a text does not come apart into
_SAMPLES = (
    "Profit rose 12.5% to EUR 1,024 million.",
    "  leading and trailing \n\n\tspace  ",
    "don't naïve 北京 🙂 \u00e9\u0301 x_1 == y[2]; // 007",
)
_WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# What splits a text, by the file's word for it: a pattern, or GPT-2's with every digit apart (True) or not.
_SPLITS: dict[str, str | bool] = {
    "gpt-2": False,
    "smollm": True,
    "llama-bpe": rf"{_WORDS}\p{{N}}{{1,3}}{_REST}",
    "qwen2": rf"{_WORDS}\p{{N}}{_REST}",
}


def build(header: Header, name: str) -> Tokenizer:
    """The tokenizer of a GGUF file of model `name`.

    Raises InvalidSetting for a kind that is not built here, ModelCorrupt for one that does not give samples back.
    """
    said = header.metadata
    kind, split = said.get("tokenizer.ggml.model"), said.get("tokenizer.ggml.pre")
    if kind != "gpt2" or split not in _SPLITS:
        raise InvalidSetting(
            f"model {name}: its GGUF file has a tokenizer of kind {kind} {split or ''}; built from GGUF are gpt2 with"
            f" {', '.join(_SPLITS)}. Put the model's tokenizer.json beside the file and pull the folder, or pull its"
            " safetensors",
        )
    try:
        tokenizer = _byte_level(
            said["tokenizer.ggml.tokens"],
            said["tokenizer.ggml.merges"],
            said["tokenizer.ggml.token_type"],
            split,
        )
        if said.get("tokenizer.ggml.add_bos_token"):
            _begin_with(tokenizer, said["tokenizer.ggml.tokens"], said["tokenizer.ggml.bos_token_id"])
    except Exception as error:  # the library raises bare Exception
        raise ModelCorrupt(f"{name}: its GGUF file's tokenizer does not fit together: {error}") from error
    for sample in _SAMPLES:
        ids = tokenizer.encode(sample, add_special_tokens=False).ids
        normalised = tokenizer.normalizer.normalize_str(sample) if tokenizer.normalizer else sample
        if tokenizer.decode(ids, skip_special_tokens=False) != normalised:
            raise ModelCorrupt(
                f"{name}: the tokenizer of its GGUF file gives {sample!r} back as {tokenizer.decode(ids)!r}."
                " Put the model's tokenizer.json beside the file and pull the folder"
            )
    return tokenizer


def special(header: Header, which: str) -> str:
    """The text of its `bos` or `eos` token; empty when it has none."""
    at, tokens = (
        header.metadata.get(f"tokenizer.ggml.{which}_token_id"),
        header.metadata.get("tokenizer.ggml.tokens"),
    )
    return tokens[at] if isinstance(at, int) and isinstance(tokens, list) and at < len(tokens) else ""


def _byte_level(tokens: list[str], merges: list[str], kinds: list[int], split: str) -> Tokenizer:
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE({token: place for place, token in enumerate(tokens)}, pairs))
    pattern = _SPLITS[split]
    if isinstance(pattern, str):
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(pattern), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    else:
        digits = [pre_tokenizers.Digits(individual_digits=True)] if pattern else []
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [*digits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
        )
    if split == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [
            AddedToken(token, special=True)
            for token, kind in zip(tokens, kinds, strict=True)
            if kind == _CONTROL
        ]
    )
    tokenizer.add_tokens(
        [AddedToken(token) for token, kind in zip(tokens, kinds, strict=True) if kind == _USER_DEFINED]
    )
    return tokenizer


def _begin_with(tokenizer: Tokenizer, tokens: list[str], place: int) -> None:
    from tokenizers import processors

    token = tokens[place]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token}:0 $A:0", special_tokens=[(token, place)]
    )
