"""Codecs: every record comes back as it went in, and damaged bytes are StoreCorrupt, never anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reexd.errors import InvalidInput, StoreCorrupt
from reexd.records import Classifier, Job, JobState, Neighbor, Prediction, Project, Region
from reexd.store.codecs import (
    adapter,
    array,
    checkpoint,
    classifier,
    document,
    hidden_state,
    job,
    prediction,
    project,
)
from reexd.store.codecs.fields import U32 as U32_LAYOUT
from reexd.store.codecs.fields import decode_u64, encode_u64, utf8

TEXT = st.text(max_size=40)
REAL = st.floats(allow_nan=False)
U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
I32, I64 = (st.integers(-(2**bits), 2**bits - 1) for bits in (31, 63))


def tuples(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=4).map(tuple)


DOCUMENTS = st.builds(
    document.DocumentRecord, U16, I32, st.booleans(), U64, REAL, TEXT, TEXT, TEXT, TEXT, TEXT
)
PROJECTS = st.builds(Project, TEXT, tuples(TEXT), TEXT, TEXT, REAL, I32, REAL, TEXT, TEXT, TEXT)
JOBS = st.builds(
    Job,
    number=U64,
    kind=TEXT,
    project=TEXT,
    state=st.sampled_from(JobState),
    request_json=TEXT,
    phase=TEXT,
    done=I64,
    total=I64,
    rate=REAL,
    eta_s=REAL,
    message=TEXT,
    error_reason=TEXT,
    error=TEXT,
    result_json=TEXT,
    attempts=U32,
    created_at=REAL,
    updated_at=REAL,
    ended_at=REAL,
)
CLASSIFIERS = st.builds(
    Classifier,
    version=U32,
    classes=tuples(TEXT),
    model=TEXT,
    fingerprint=TEXT,
    space=U16,
    prompt=TEXT,
    hidden_size=U32,
    attribute_count=U32,
    exemplar_size=U32,
    mean=REAL,
    standard_deviation=REAL,
    neighbors_max=U32,
    regions=tuples(st.builds(Region, REAL, REAL, tuples(REAL))),
    training_json=st.dictionaries(TEXT, I32).map(json.dumps) | st.just(""),
    created_at=REAL,
    pooling=TEXT,
    document_prefix=TEXT,
)
NEIGHBORS = st.builds(
    Neighbor, document=I64, document_id=st.just(""), label=I32, prediction=I32, distance=REAL
)
PREDICTIONS = st.builds(
    Prediction,
    version=U32,
    document=st.integers(0, 2**63),
    document_id=TEXT,
    label=I32,
    prediction=I32,
    logits=tuples(REAL),
    sdm=tuples(REAL),
    q=I32,
    d0=REAL,
    d=REAL,
    q_prime=REAL,
    region_alpha=REAL,
    lower_region_alpha=REAL,
    lower_d=REAL,
    lower_q_prime=REAL,
    effective_sample_sizes=tuples(U32),
    reliability=st.sampled_from(prediction.RELIABILITIES),
    reason=TEXT,
    role=st.integers(0, 3),
    windows=U32,
    neighbors=tuples(NEIGHBORS),
)


@st.composite
def predictions(draw: st.DrawFn) -> Prediction:
    """With and without each part that only some versions say."""
    record = draw(PREDICTIONS)
    if draw(st.booleans()):
        names = "probability", "probability_lower", "probability_upper"
        record = replace(record, probability_documents=draw(U32), **{name: draw(REAL) for name in names})
    if draw(st.booleans()):
        size, agreed = draw(st.integers(1, 100)), draw(st.integers(0, 100))
        record = replace(record, ensemble_size=size, ensemble_agreed=agreed, ensemble_region_alpha=draw(REAL))
    return record


@given(st.builds(adapter.AdapterRecord, TEXT, tuples(TEXT)))
def test_adapter(record: adapter.AdapterRecord) -> None:
    assert adapter.decode_adapter(adapter.encode_adapter(record)) == record


@given(DOCUMENTS)
def test_document(record: document.DocumentRecord) -> None:
    encoded = document.encode_document(record)
    assert document.decode_document(encoded) == record
    header = document.decode_document_header(encoded)
    assert (header.split, header.label, header.revision) == (record.split, record.label, record.revision)
    assert header.labelled_by_person == record.labelled_by_person
    assert document.decode_document_id(encoded) == record.id


@given(tuples(REAL))
def test_attributes(values: tuple[float, ...]) -> None:
    assert tuple(document.decode_attributes(document.encode_attributes(values)).tolist()) == values


@given(st.lists(st.tuples(I32, U64), max_size=5))
def test_split_members(entries: list[tuple[int, int]]) -> None:
    joined = b"".join(document.encode_member(*entry) for entry in entries)
    assert document.decode_members(joined, len(entries)).tolist() == entries


@given(PROJECTS)
def test_project(record: Project) -> None:
    assert project.decode_project(project.encode_project(record)) == record


@given(PROJECTS, CLASSIFIERS)
def test_records_from_before_prefixes_read_as_the_models_own(made: Project, version: Classifier) -> None:
    """They stand last, each behind the length of its text, and older records end before them."""
    made = replace(made, document_prefix="", query_prefix="")
    assert project.decode_project(project.encode_project(made)[: -2 * U32_LAYOUT.size]) == made
    version = replace(version, document_prefix="")
    older = classifier.encode_classifier(version)[: -U32_LAYOUT.size]
    assert classifier.decode_classifier(older) == version


@given(PROJECTS, CLASSIFIERS)
def test_records_from_before_pooling_read_as_the_models_own(made: Project, version: Classifier) -> None:
    """It stands before the prefixes, behind the length of its text, and older records end before it."""
    made = replace(made, pooling="", document_prefix="", query_prefix="")
    assert project.decode_project(project.encode_project(made)[: -3 * U32_LAYOUT.size]) == made
    version = replace(version, pooling="", document_prefix="")
    older = classifier.encode_classifier(version)[: -2 * U32_LAYOUT.size]
    assert classifier.decode_classifier(older) == version


@given(JOBS)
def test_job(record: Job) -> None:
    assert job.decode_job(job.encode_job(record)) == record


@given(CLASSIFIERS)
def test_classifier(record: Classifier) -> None:
    assert classifier.decode_classifier(classifier.encode_classifier(record)) == record


@given(predictions())
def test_prediction(record: Prediction) -> None:
    encoded = prediction.encode_prediction(record)
    names = (record.version, record.document, record.document_id, record.label)
    assert prediction.decode_prediction(encoded, *names) == record
    light = prediction.decode_prediction(encoded, *names, neighbors=False)
    assert light == replace(record, neighbors=())


@given(PREDICTIONS)
def test_a_prediction_of_a_later_version_is_refused(record: Prediction) -> None:
    with pytest.raises(StoreCorrupt, match="newer version"):
        prediction.decode_prediction(prediction.encode_prediction(record) + b"\xff", 1, 1, "", 0)


@given(TEXT, U32, U64)
def test_space(fingerprint: str, dimension: int, next_row: int) -> None:
    record = hidden_state.SpaceRecord(fingerprint, dimension, next_row)
    assert hidden_state.decode_space(hidden_state.encode_space(record)) == record


@given(st.binary(min_size=32, max_size=32), U32)
def test_hidden_row(digest: bytes, windows: int) -> None:
    assert hidden_state.decode_row(hidden_state.encode_row(digest, windows)) == (digest, windows)


@given(st.sets(st.integers(0, hidden_state.BLOCK_ROWS - 1), max_size=20))
def test_bitmap(rows: set[int]) -> None:
    bits = np.zeros(hidden_state.BLOCK_ROWS, bool)
    bits[list(rows)] = True
    encoded = hidden_state.encode_bitmap(bits)
    assert (hidden_state.decode_bitmap(encoded) == bits).all()
    assert all(encoded[row // 8] >> (row % 8) & 1 for row in rows)


@given(st.integers(0, 2**32 - 1))
def test_references(seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 2**32, (2, hidden_state.BLOCK_ROWS))
    assert (hidden_state.decode_references(hidden_state.encode_references(counts)) == counts).all()


@given(TEXT, tuples(TEXT))
def test_checkpoint(state_json: str, names: tuple[str, ...]) -> None:
    assert checkpoint.decode_checkpoint(checkpoint.encode_checkpoint(state_json, names)) == (
        state_json,
        names,
    )


@pytest.mark.parametrize(
    "dtype", ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", ">f4", ">i2"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 2)])
def test_array_header(dtype: str, shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, dtype)
    header = array.decode_array_header(array.encode_array_header(values))
    assert (header.dtype, header.shape, header.size) == (values.dtype.newbyteorder("<"), shape, values.nbytes)


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(InvalidInput, match="dtypes"):
        array.encode_array_header(np.array([object()]))


@given(U64)
def test_numbers(number: int) -> None:
    assert decode_u64(encode_u64(number), "number") == number


def test_a_lone_surrogate_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidInput, match="character 2 is a lone surrogate"):
        utf8("ab\ud800")


def test_an_unknown_reliability_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'excellent'"):
        prediction.reliability_rank("excellent")


DECODERS: list[Callable[[bytes], object]] = [
    document.decode_document,
    document.decode_document_header,
    document.decode_document_id,
    document.decode_attributes,
    lambda raw: document.decode_members(raw, 3),
    project.decode_project,
    job.decode_job,
    classifier.decode_classifier,
    lambda raw: prediction.decode_prediction(raw, 1, 1, "", 0),
    hidden_state.decode_space,
    hidden_state.decode_row,
    hidden_state.decode_bitmap,
    hidden_state.decode_references,
    lambda raw: hidden_state.decode_vectors(raw, 3),
    checkpoint.decode_checkpoint,
    array.decode_array_header,
    adapter.decode_adapter,
    lambda raw: decode_u64(raw, "number"),
]


@given(st.sampled_from(DECODERS), st.binary(max_size=300))
def test_garbage_is_read_or_is_store_corrupt(decode: Callable[[bytes], object], raw: bytes) -> None:
    try:
        decode(raw)
    except StoreCorrupt as error:
        assert "damaged" in error.message


@given(CLASSIFIERS)
def test_a_training_record_that_is_no_json_is_store_corrupt(record: Classifier) -> None:
    raw = classifier.encode_classifier(replace(record, training_json='{"seed" 1}'))
    with pytest.raises(StoreCorrupt, match="no JSON"):
        classifier.decode_classifier(raw)


@given(DOCUMENTS, st.data())
def test_a_truncated_record_is_store_corrupt(record: document.DocumentRecord, data: st.DataObject) -> None:
    encoded = document.encode_document(record)
    length = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(StoreCorrupt):
        document.decode_document(encoded[:length])
    with pytest.raises(StoreCorrupt):
        document.decode_document(encoded + b"\0")
