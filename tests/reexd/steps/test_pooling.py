"""The pooling of a project and of its versions: each version reads texts as it was trained to."""

from __future__ import annotations

import pytest
from reex import errors

TEXT = "profit rose strong"


def test_a_version_keeps_the_pooling_that_it_was_trained_with(served, ready, fast):
    client = served.client
    (first,) = client.query(ready, TEXT)
    assert client.get_classifier(ready).pooling == "mean"
    client.update_project(ready, pooling="max+first@2")
    assert client.query(ready, TEXT)[0] == first  # the project's choice is for the next training
    served.train(ready, **fast)
    assert client.get_classifier(ready).pooling == "max+first@2"
    (second,) = client.query(ready, TEXT)
    assert second.logits != first.logits
    client.update_project(ready, pooling="")
    assert client.query(ready, TEXT)[0] == second
    client.use_classifier(ready, "v1")
    assert client.query(ready, TEXT)[0] == first


def test_more_layers_than_the_model_has(served, ready):
    served.client.update_project(ready, pooling="mean@3")
    with pytest.raises(errors.InvalidSetting, match="has 2"):
        served.client.search(ready, TEXT)
