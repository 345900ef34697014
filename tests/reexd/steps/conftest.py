"""What tests of several steps share: a small project with a live classifier that a test may change."""

from __future__ import annotations

import pytest


@pytest.fixture
def ready(served, project, corpus, tiny_models, fast) -> str:
    """A project of its own with a live v1, a split test, and texts of no class in `incoming`."""
    served.upload(project, corpus(40), "train")
    served.upload(project, corpus(10, seed=2), "test")
    outside = [
        {"id": f"outside-{number}", "document": text}
        for number, text in enumerate(tiny_models.texts("other", 6))
    ]
    served.upload(project, outside, "incoming")
    served.train(project, **fast)
    return project
