"""Every encoder against stored states of the reference implementation (reference/make.py), from files as published."""

from __future__ import annotations

import json
import os
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from reexd.engine import models
from reexd.engine.models import kernels
from reexd.engine.tokens import TextReader

STORED = sorted((Path(__file__).parent / "reference").glob("*.npz"))
TOLERANCE = 2e-5  # of states of size 1: rounding, and the CPU's approximations of exp and erf
PREFIXES = {
    "modernbert": "model.",
    "deberta-v2": "deberta.",
    "xlm-roberta": "roberta.",
    "camembert": "roberta.",
}


@pytest.fixture(scope="module", params=STORED, ids=lambda path: path.stem)
def stored(request):
    with np.load(request.param) as arrays:
        return dict(arrays)


def written(stored, folder, *, dtype=mx.float32, prefix="", extra=()):
    """A folder as it is published: the reference's tensors under its names, perhaps among those of a task."""
    folder.mkdir()
    (folder / "config.json").write_text(str(stored["config"]))
    tensors = {
        prefix + name.removeprefix("weights/"): mx.array(value).astype(dtype)
        for name, value in stored.items()
        if name.startswith("weights/")
    }
    tensors |= {name: mx.zeros((4, 4)) for name in extra}
    mx.save_safetensors(str(folder / "model.safetensors"), tensors)
    return folder


def rows(stored):
    """Each text's ids without padding, and its states after the first and the last layer."""
    for ids, length, first, last in zip(
        stored["ids"], stored["lengths"], stored["first"], stored["last"], strict=True
    ):
        yield mx.array(ids[None, :length]), first[:length], last[:length]


def furthest(found, expected):
    return float(np.abs(found - expected).max())


def final(model, ids, mask=None):
    return np.array(model(ids, mask))


def test_every_architecture_has_stored_states():
    names = {path.stem.removesuffix("-apart") for path in STORED}
    assert names == set(models.known.ENCODERS)


@pytest.mark.parametrize("dtype", [mx.float32, mx.float16, mx.bfloat16], ids=str)
def test_states_equal_the_reference(stored, tmp_path, dtype):
    """Checkpoints of all types hold the same numbers here, and all are computed in float32."""
    model = models.load(written(stored, tmp_path / "model", dtype=dtype), {}).model
    for ids, first, last in rows(stored):
        after = next(model.states(model.embed(ids)))
        assert furthest(np.array(after)[0], first) < TOLERANCE
        assert furthest(final(model, ids)[0], last) < TOLERANCE


def test_the_walk_may_begin_at_any_layer(stored, tmp_path):
    model = models.load(written(stored, tmp_path / "model"), {}).model
    ids, _, last = next(rows(stored))
    walked = list(model.states(model.embed(ids)))
    for begin, x in enumerate(walked[:-1], 1):
        rest = list(model.states(x, None, begin))
        assert len(rest) == len(walked) - begin
        assert furthest(np.array(model.finish(rest[-1]))[0], last) < TOLERANCE


def test_padding_and_company_change_nothing(stored, tmp_path):
    """Padded further than need be, in another order and beside other texts, a text's states stay what they are."""
    model = models.load(written(stored, tmp_path / "model"), {}).model
    ids, lengths = stored["ids"][::-1].copy(), stored["lengths"][::-1].copy()
    width = ids.shape[1] + 5
    padded = np.full((len(ids), width), 17, np.int32)  # not even the padding token's id matters
    for row, values, length in zip(padded, ids, lengths, strict=True):
        row[:length] = values[:length]
    states = final(model, mx.array(padded), kernels.additive_mask(mx.array(lengths), width))
    for found, last, length in zip(states, stored["last"][::-1], lengths, strict=True):
        assert furthest(found[:length], last[:length]) < TOLERANCE


def test_a_task_model_is_read_by_its_encoder(stored, tmp_path):
    """Names with the prefix that task models put before them, and heads and poolers beside the encoder."""
    architecture = json.loads(str(stored["config"]))["model_type"]
    prefix = PREFIXES.get(architecture, f"{architecture}.")
    extra = (
        f"{prefix}pooler.dense.weight",
        "cls.predictions.weight",
        "lm_head.weight",
        "classifier.out.weight",
    )
    folder = written(
        stored, tmp_path / "task", prefix=prefix, extra=(*extra, f"{prefix}embeddings.position_ids")
    )
    ids, _, last = next(rows(stored))
    assert furthest(final(models.load(folder, {}).model, ids)[0], last) < TOLERANCE


PUBLISHED = Path(__file__).parent / "reference" / "published" / "mpnet.npz"
MPNET = Path(os.environ.get("REEX_MODELS") or Path.home() / ".local/share/reex/models") / "mpnet"


@pytest.mark.skipif(not (MPNET / "config.json").is_file(), reason="mpnet is not on this machine")
def test_mpnet_as_published():
    """Texts to unit vectors as sentence-transformers makes them: tokens, window, states and mean together."""
    model = models.load(MPNET, {}).model
    reader = TextReader.open(MPNET, 384)
    with np.load(PUBLISHED) as stored:
        for text, expected in zip(stored["texts"].tolist(), stored["vectors"], strict=True):
            (window,) = reader.read([text])
            vector = final(model, mx.array(window.ids[None]))[0].mean(0)
            assert furthest(vector / np.linalg.norm(vector), expected) < 1e-5
