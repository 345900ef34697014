"""What a decoder reads around a text: chat templates, context that is not pooled, and prompts through the engine."""

from __future__ import annotations

import json

import mlx.core as mx
import numpy as np
import pytest
from reexd.engine import models
from reexd.engine.prompting import Asking, read
from reexd.engine.tokens import TextReader
from reexd.errors import InvalidSetting

pytest.importorskip("mlx_lm", reason="decoders need mlx-lm: pip install 'reex[decoders]'")


def test_the_template_stands_around_the_text_and_is_not_pooled(tiny_llama, tiny_models):
    reader = TextReader.open(tiny_llama.folder, 32, decoder=True)
    (window,) = reader.read(["profit rose"], 0, "is this good")
    words = ["<s>", "<u>", "is", "this", "good", "profit", "rose", "</u>", "<a>"]
    assert window.ids.tolist() == [tiny_models.LLAMA_WORDS.index(word) + 1 for word in words]
    assert (window.begin, window.end, window.context) == (5, 7, 5)
    (alone,) = reader.read(["profit rose"])
    assert (alone.ids.tolist(), alone.begin, alone.context) == ([12, 1, 2], 1, 1)


def test_every_window_of_a_long_text_carries_the_prompt(tiny_llama):
    reader = TextReader.open(tiny_llama.folder, 32, decoder=True)
    windows = reader.read(["profit " * 70], 0, "is this good")
    assert len(windows) > 2
    assert len({tuple(window.ids[:5]) for window in windows}) == 1
    assert all(window.begin >= 5 and window.ids[-1] == 11 for window in windows)
    assert sum(window.end - window.begin for window in windows) == 70


def test_a_prompt_that_leaves_no_room_is_refused(tiny_llama):
    reader = TextReader.open(tiny_llama.folder, 32, decoder=True)
    with pytest.raises(InvalidSetting, match="Shorten the prompt"):
        reader.read(["profit"], 0, "good " * 25)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages[0]['content'].__class__.__mro__ }}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ raise_exception('no') }}",
        "{% if %}",
        "{{ messages[0]['content'] }}{{ messages[0]['content'] }}",
    ],
)
def test_a_template_that_is_hostile_or_of_no_use_is_left_aside(template):
    assert Asking(template).around("Is this good?") == ("Is this good?\n\n", "", False)


def test_templates_are_found_where_models_keep_them(tmp_path, tiny_models):
    several = [
        {"name": "tool_use", "template": "t"},
        {"name": "default", "template": tiny_models.CHAT_TEMPLATE},
    ]
    said = {"chat_template": several, "eos_token": {"content": "</s>"}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(said))
    assert read(tmp_path) == Asking(tiny_models.CHAT_TEMPLATE, "", "</s>")
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}")
    assert read(tmp_path).template == "{{ bos_token }}"


def test_the_engine_reads_texts_under_their_prompts(shared_engine, tiny_llama):
    facts = shared_engine.open(tiny_llama)
    assert facts.reads_prompts
    texts = ["profit rose", "fell", "profit fell profit rose"]
    prompts = ("", "is this good", "is this good or bad")
    reader = TextReader.open(tiny_llama.folder, 32, decoder=True)
    model = models.load(tiny_llama.folder, {}).model
    for prompt in prompts:
        vectors = shared_engine.embed(tiny_llama, texts, prompt=prompt).vectors
        for window, vector in zip(reader.read(texts, 0, prompt), vectors, strict=True):
            states = np.array(model(mx.array(window.ids[None])))[0]
            expected = np.concatenate([states[window.begin : window.end].mean(0), states[-1]])
            assert np.abs(vector - expected).max() < 1e-5
    question = shared_engine.question(tiny_llama, texts, prompts=prompts)
    assert [window.context for window in question.windows] == [1, 5, 7]
