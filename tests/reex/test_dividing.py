"""`auto:80/10/10`: the shares are kept class by class, equal texts stay together, and nothing is left to the run."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reex import AsyncClient, errors
from reex.checking import Checker
from reex.dividing import divide, shares_of
from reex.reading import OpenSource
from reex.types import SPLITS

from tests.reex.conftest import LIMITS


def divided(lines: list[dict], split: str = "auto:80/10/10", seed: int = 0) -> dict[int, str]:
    with OpenSource(lines, None, 1 << 20) as source:
        division = divide(source, Checker(LIMITS), split, seed)
    return {line: division[line] for line in range(1, len(lines) + 1)}


def lines_of(**counts: int) -> list[dict]:
    return [
        {"document": f"{label} {n}", "label": label} for label, count in counts.items() for n in range(count)
    ]


def by_label(lines: list[dict], found: dict[int, str]) -> dict[str, Counter]:
    counts: dict[str, Counter] = defaultdict(Counter)
    for line, split in found.items():
        counts[lines[line - 1]["label"]][split] += 1
    return counts


def test_each_class_is_divided_in_the_shares():
    lines = lines_of(good=1000, bad=50, rare=10)
    for label, count in (("good", 1000), ("bad", 50), ("rare", 10)):
        counts = by_label(lines, divided(lines))[label]
        assert [counts[split] for split in SPLITS] == [count * 8 // 10, count // 10, count // 10]


def test_many_small_classes_keep_the_shares_together():
    lines = lines_of(**{f"class{at}": 3 for at in range(300)})
    counts = Counter(divided(lines).values())
    assert 660 <= counts["train"] <= 780
    assert 50 <= counts["calibration"] <= 130
    assert 50 <= counts["test"] <= 130


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 12)), min_size=1, max_size=60),
    st.tuples(*[st.integers(0, 50)] * 2),
    st.integers(-3, 3),
)
def test_whatever_the_file_the_shares_are_kept_and_twins_stay_together(drawn, percents, seed):
    lines = [{"document": f"text {text}", "label": label} for label, text in drawn]
    shares = (*percents, 100 - sum(percents))
    found = divided(lines, "auto:{}/{}/{}".format(*shares), seed)
    assert found == divided(lines, "auto:{}/{}/{}".format(*shares), seed)
    of_text = defaultdict(set)
    for line, split in found.items():
        of_text[lines[line - 1]["document"]].add(split)
        assert shares[SPLITS.index(split)] > 0
    assert all(len(splits) == 1 for splits in of_text.values())


def test_the_order_of_the_lines_does_not_matter_and_the_seed_does():
    lines = lines_of(good=40, bad=40)
    one = {lines[line - 1]["document"]: split for line, split in divided(lines).items()}
    other = {lines[::-1][line - 1]["document"]: split for line, split in divided(lines[::-1]).items()}
    assert one == other
    assert divided(lines, seed=1) != divided(lines)


@pytest.mark.parametrize(
    "split",
    ["auto:", "auto:80", "auto:80/20", "auto:80/10/20", "auto:a/b/c", "auto:120/-10/-10", "auto:nan/50/50"],
)
def test_shares_that_are_refused(client, split):
    with pytest.raises(errors.InvalidSetting, match="auto:80/10/10"):
        client.upload("p", [{"document": "a"}], split)


def test_shares_may_be_fractions_and_a_name_is_none():
    assert shares_of("auto:33.3/33.3/33.4") == pytest.approx((0.333, 0.333, 0.334))
    assert shares_of("train") is None


def test_each_document_is_sent_with_its_split_and_counted(daemon, client, tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("label,document\n" + "".join(f"{n % 2},text {n}\n" for n in range(40)) + "0,\n")
    result = client.upload("p", path, "auto:50/25/25")
    assert result.splits == {"train": 20, "calibration": 10, "test": 10}
    assert [(each.line, each.field) for each in result.rejections] == [(42, "document")]
    assert Counter(line.document.split for line in daemon.lines) == result.splits
    assert not client.upload("p", path, "train").splits


def test_async_divides_in_the_same_way(daemon, client, socket):
    lines = lines_of(good=30, bad=30)
    client.upload("p", lines, "auto:80/10/10", seed=3)
    one = [(line.line, line.document.split) for line in daemon.lines]

    async def upload():
        async with AsyncClient(socket) as other:
            await other.upload("p", lines, "auto:80/10/10", seed=3)

    asyncio.run(upload())
    assert [(line.line, line.document.split) for line in daemon.lines[len(one) :]] == one


def test_what_can_be_read_only_once_is_refused(client):
    with pytest.raises(errors.InvalidArgument, match="twice"):
        client.upload("p", iter([{"document": "a"}]), "auto:80/10/10")
    with pytest.raises(errors.InvalidArgument, match="one split"):
        client.upload("p", "some.sdmdataset", "auto:80/10/10")


def test_an_open_file_is_read_from_where_it_stood(daemon, client):
    lines = [json.dumps({"id": str(n), "document": f"text {n}"}) for n in range(10)]
    file = io.BytesIO("\n".join(lines).encode())
    file.readline()
    client.upload("p", file, "auto:80/10/10")
    assert [line.document.id for line in daemon.lines] == [str(n) for n in range(1, 10)]
