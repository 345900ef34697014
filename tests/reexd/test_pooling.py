"""The grammar of pooling: one way to write each, everything else refused."""

import pytest
from reexd.errors import InvalidSetting
from reexd.pooling import Pooling, parse


@pytest.mark.parametrize(
    ("text", "words", "layers", "written"),
    [
        ("mean", ("mean",), 1, "mean"),
        ("first+mean", ("first", "mean"), 1, "first+mean"),
        ("mean@1", ("mean",), 1, "mean"),
        ("mean+max@4", ("mean", "max"), 4, "mean+max@4"),
        ("last+first+max+mean@99", ("last", "first", "max", "mean"), 99, "last+first+max+mean@99"),
    ],
)
def test_what_is_understood(text, words, layers, written):
    assert parse(text) == Pooling(words, layers)
    assert str(parse(text)) == written
    assert parse(written) == parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "median", "mean+", "+mean", "mean-first", "mean+mean", "Mean", "mean @4", "mean@0", "mean@04", "mean@100",
     "@4", "mean@4+max", "mean\n"],
)  # fmt: skip
def test_what_is_refused_with_the_words_there_are(text):
    with pytest.raises(InvalidSetting, match=r"mean, max, first, last.*mean\+max@4"):
        parse(text)
