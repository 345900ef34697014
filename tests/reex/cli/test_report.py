"""`evaluate --html`: one page that any browser reads, with nothing from elsewhere and every text escaped."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from reex.v1 import evaluation_pb2

pb = evaluation_pb2


def interval(lower=0.5, upper=0.9):
    return pb.Interval(lower=lower, upper=upper)


def cell(n, correct):
    return pb.Accuracy(n=n, correct=correct, accuracy=correct / n if n else math.nan, interval=interval())


@pytest.fixture
def figures():
    classes = [
        pb.ClassEvaluation(
            label=label,
            name=name,
            support=5,
            recall=0.8,
            predicted=5,
            precision=0.8,
            recall_interval=interval(),
            precision_interval=interval(),
        )
        for label, name in enumerate(["<script>alert(1)</script>", "neutral & co", "positive"])
    ]
    regions = [
        pb.RegionEvaluation(
            alpha=alpha,
            admitted=n,
            admitted_share=n / 15,
            correct=n,
            accuracy=1.0 if n else math.nan,
            interval=interval(),
            share_interval=interval(0.1, 0.4),
        )
        for alpha, n in ((0.95, 0), (0.9, 3))
    ]
    bins = [pb.ProbabilityBin(lower=0.6, upper=0.7, mean_probability=0.65, accuracy=cell(9, 6))]
    return pb.EvaluateResponse(
        split="test",
        classifier="v1",
        n=15,
        correct=12,
        accuracy=0.8,
        interval=interval(),
        unseen_count=15,
        balanced_accuracy=0.8,
        balanced_interval=interval(),
        classes=classes,
        regions=regions,
        confusion=[pb.ConfusionRow(counts=[4, 1, 0])] * 3,
        rejections=[pb.RejectionEvaluation(reason="beyond-calibration", accuracy=cell(12, 9))],
        probability=pb.ProbabilityEvaluation(
            kind="calibrated", n=15, calibration_error=0.05, brier=0.1, bins=bins
        ),
        stale="1 <relabelled>",
    )


class Page(HTMLParser):
    """Tags in the order they open; none may be left open, and none may lead elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not {"src", "href"} & {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)


def test_the_page_holds_everything_and_leads_nowhere(held, reexctl, figures, tmp_path):
    held.answers["Evaluate"] = lambda request, context: figures
    path = tmp_path / "test.html"
    ended = reexctl("evaluate", "s", "--html", path)
    assert (ended.code, "accuracy 80.0%" in ended.out, f"wrote {path}" in ended.err) == (0, True, True)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.tags.count("svg") == 3
    assert page.tags.count("circle") == 1 + 1 + 2, "a bin, a region that admits something, the shares of both"
    assert "script" not in page.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "1 &lt;relabelled&gt;" in text
    assert "nan" not in text
    for drawn in text.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + drawn.split("</svg>")[0] + "</svg>")
    assert reexctl("evaluate", "s", "--html", path, "--json").lines[0]["n"] == 15, "written anew"


def test_a_page_about_nothing_is_a_page(held, reexctl, tmp_path):
    held.answers["Evaluate"] = lambda request, context: pb.EvaluateResponse(split="test", classifier="v1")
    path = tmp_path / "test.html"
    assert reexctl("evaluate", "s", "--html", path).code == 0
    assert Page(path.read_text()).open == []


def test_a_page_that_cannot_be_written_is_told(held, reexctl, figures, tmp_path):
    held.answers["Evaluate"] = lambda request, context: figures
    ended = reexctl("evaluate", "s", "--html", tmp_path / "nowhere" / "test.html")
    assert ended.code == 1
    assert ended.err.startswith("error: ")
