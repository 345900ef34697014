"""Windows cover a text, overlap, and pool each of its tokens exactly once."""

import numpy as np
import pytest
from reexd.engine.tokens import TextReader, window_tokens
from reexd.errors import InvalidDocument, ModelCorrupt

WINDOW = 16


@pytest.fixture(scope="module")
def reader(tiny_bert):
    return TextReader.open(tiny_bert.folder, WINDOW)


def words(count):
    return " ".join(["profit", "fell", "board", "the"][i % 4] for i in range(count))


@pytest.mark.parametrize("count", [0, 1, 13, 14, 15, 24, 25, 26, 100, 1000])
def test_every_token_is_pooled_once(reader, count):
    text = words(count)
    windows = reader.read([text], 7)
    whole = TextReader(reader._tokenizer, 2000).read([text])[0].ids
    pooled = np.concatenate([window.ids[window.begin : window.end] for window in windows])
    assert pooled.tolist() == whole.tolist()
    assert all(len(window.ids) <= WINDOW and window.text == 7 for window in windows)
    assert [window.first for window in windows] == [True] + [False] * (len(windows) - 1)
    assert len(windows) == 1 or count > WINDOW - 2


def test_windows_overlap_so_that_pooled_tokens_have_context(reader):
    windows = reader.read([words(60)])
    for window in windows[1:]:
        assert window.begin >= 2  # past [CLS] and at least one token of context
    for window in windows:
        assert window.ids[0] == windows[0].ids[0]  # [CLS]
        assert window.ids[-1] == windows[0].ids[-1]  # [SEP]


def test_order_and_numbers_of_several_texts(reader):
    windows = reader.read(["profit", words(40), ""], 3)
    numbers = [window.text for window in windows]
    assert numbers == sorted(numbers)
    assert set(numbers) == {3, 4, 5}


def test_prefix_is_read_before_each_text(tiny_bert):
    plain = TextReader.open(tiny_bert.folder, WINDOW).read(["profit fell"])[0].ids
    assert (
        TextReader.open(tiny_bert.folder, WINDOW, "profit ").read(["fell"])[0].ids.tolist() == plain.tolist()
    )


def test_lone_surrogates_are_named(reader):
    with pytest.raises(InvalidDocument, match="surrogate"):
        reader.read(["good", "bad \ud800"])


def test_a_window_too_small_to_read_is_refused(tiny_bert):
    with pytest.raises(ModelCorrupt, match="window"):
        TextReader.open(tiny_bert.folder, 4)


def test_a_broken_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelCorrupt, match=r"tokenizer\.json"):
        TextReader.open(tmp_path, WINDOW)


@pytest.mark.parametrize(
    ("positions", "stated", "window"), [(512, 0, 77), (512, 300, 300), (64, 300, 64), (8192, 8192, 2048)]
)
def test_the_window_is_the_least_of_what_is_said(tmp_path, positions, stated, window):
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 77}')
    assert window_tokens(tmp_path, positions, stated) == window
