"""The published split of the Financial PhraseBank is remade exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from reex import phrasebank
from reex.errors import InvalidArgument

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "financial_phrasebank"


@pytest.mark.parametrize("seed", [0, 1, 10, 42, 2**32 - 1])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 64, 65, 900, 3000])
def test_the_permutation_is_numpys(seed, count):
    assert phrasebank.permutation(seed, count) == np.random.RandomState(seed).permutation(count).tolist()


@pytest.mark.skipif(not DATA.is_dir(), reason="the data lies beside the checkout, or not at all")
@pytest.mark.parametrize("name", ["train", "calibration", "test"])
def test_every_text_and_label_stands_where_it_was_published(name):
    published = (DATA / "tutorial3" / f"{name}.jsonl").read_text("utf-8").splitlines()
    expected = [(line["document"], line["label"], line["prompt"]) for line in map(json.loads, published)]
    ours = getattr(phrasebank.split(DATA / "all-data.csv"), name)
    assert [(line["document"], line["label"], line["prompt"]) for line in ours] == expected


@pytest.mark.skipif(not DATA.is_dir(), reason="the data lies beside the checkout, or not at all")
def test_ids_are_unique_and_the_same_each_time():
    one, two = phrasebank.split(DATA / "all-data.csv"), phrasebank.split(DATA / "all-data.csv")
    ids = [line["id"] for line in one.train + one.calibration + one.test]
    assert len(set(ids)) == len(ids) == 4846
    assert one == two


@pytest.mark.parametrize("text", ["", "neutral,too,many\n", "sentiment,text\n", "neutral,only one\n"])
def test_another_file_is_refused(tmp_path, text):
    path = tmp_path / "all-data.csv"
    path.write_text(text)
    with pytest.raises(InvalidArgument):
        phrasebank.split(path)
