"""The states of tokens are those that are pooled, and each stands where its span says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from reexd.engine import token_states
from reexd.engine.tokens import TextReader
from reexd.errors import InvalidDocument


@pytest.mark.parametrize("pooling", ["mean", "max@2", "first+last", "mean:unit"])
@pytest.mark.parametrize("length", [1, 90])
def test_what_is_pooled_is_what_embedding_gives(shared_engine, tiny_bert, tiny_models, pooling, length):
    files = dataclasses.replace(tiny_bert, pooling=pooling)
    text = " ".join(tiny_models.texts("positive", length))
    found = shared_engine.token_states(files, text)
    made = {"mean": found.states.mean(axis=0), "max": found.states.max(axis=0), **found.outermost}
    parts = [made[word] for word in found.pooling.words]
    if found.pooling.unit:
        parts = [part / np.sqrt(np.mean(part**2)) for part in parts]
    assert np.abs(np.concatenate(parts) - shared_engine.embed(files, [text]).vectors[0]).max() < 1e-5
    assert (found.place("first"), found.place("last")) == (0, len(found.states) - 1)


def test_spans_are_of_the_text_in_code_points(tiny_bert, tiny_models):
    reader = TextReader.open(tiny_bert.folder, 64)
    text = f"😀 é {tiny_models.texts('positive', 1)[0]}"
    tokens = sum(window.end - window.begin for window in reader.read([text]))
    spans = reader.spans(text, tokens)
    assert len(spans) == tokens
    assert spans[0] is spans[-1] is None, "special tokens"
    words = [text[start:end] for start, end in spans[1:-1]]
    assert "".join(words) == text.replace(" ", "")
    prefixed = TextReader.open(tiny_bert.folder, 64, "query: ")
    tokens = sum(window.end - window.begin for window in prefixed.read([text]))
    assert [span for span in prefixed.spans(text, tokens) if span] == list(spans[1:-1])


def test_a_text_that_is_nothing_to_the_tokenizer_has_no_spans(tiny_bert):
    reader = TextReader.open(tiny_bert.folder, 64)
    assert reader.spans("", 2) == (None, None)
    assert reader.spans("word", 17) == (None,) * 17


def test_a_long_text_is_refused(shared_engine, tiny_bert, monkeypatch):
    monkeypatch.setattr(token_states, "TOKENS_MAX", 10)
    with pytest.raises(InvalidDocument, match="explain parts of it"):
        shared_engine.token_states(tiny_bert, "profit rose " * 20)


def test_of_a_decoder_the_text_s_own_tokens_under_its_prompt(shared_engine, tiny_llama):
    pytest.importorskip("mlx_lm", reason="decoders need mlx-lm: pip install 'reex[decoders]'")
    files = dataclasses.replace(tiny_llama, pooling="mean+last")
    text, prompt = "profit rose strong", "say it"
    found = shared_engine.token_states(files, text, prompt=prompt)
    expected = shared_engine.embed(files, [text], prompt=prompt).vectors[0]
    half = len(expected) // 2
    assert np.abs(found.states.mean(axis=0) - expected[:half]).max() < 1e-4
    assert np.abs(found.outermost["last"] - expected[half:]).max() < 1e-4
    assert "".join(text[start:end] for start, end in found.spans).replace(" ", "") == text.replace(" ", "")
