"""The grammar of pooling: one way to write each, everything else refused."""

import pytest
from reexd.errors import InvalidSetting
from reexd.pooling import Pooling, parse


@pytest.mark.parametrize(
    ("text", "words", "layers", "unit", "written"),
    [
        ("mean", ("mean",), 1, False, "mean"),
        ("first+mean", ("first", "mean"), 1, False, "first+mean"),
        ("mean@1", ("mean",), 1, False, "mean"),
        ("mean+max@4", ("mean", "max"), 4, False, "mean+max@4"),
        ("last+first+max+mean@99", ("last", "first", "max", "mean"), 99, False, "last+first+max+mean@99"),
        ("mean:unit", ("mean",), 1, True, "mean:unit"),
        ("mean@1:unit", ("mean",), 1, True, "mean:unit"),
        ("mean+max@4:unit", ("mean", "max"), 4, True, "mean+max@4:unit"),
    ],
)
def test_what_is_understood(text, words, layers, unit, written):
    assert parse(text) == Pooling(words, layers, unit)
    assert str(parse(text)) == written
    assert parse(written) == parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "median", "mean+", "+mean", "mean-first", "mean+mean", "Mean", "mean @4", "mean@0", "mean@04", "mean@100",
     "@4", "mean@4+max", "mean\n", ":unit", "mean:", "mean:unit@4", "mean:Unit", "mean:unit:unit"],
)  # fmt: skip
def test_what_is_refused_with_the_words_there_are(text):
    with pytest.raises(InvalidSetting, match=r"mean, max, first, last.*mean\+max@4"):
        parse(text)
