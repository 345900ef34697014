"""A project's record in the catalogue."""

from __future__ import annotations

import struct

from reexd.records import Project
from reexd.store.codecs.fields import Buffer, Reader, Writer

_NUMBERS = struct.Struct("<did")  # alpha, attribute_count, created_at


def encode_project(project: Project) -> bytes:
    return (
        Writer()
        .pack(_NUMBERS, project.alpha, project.attribute_count, project.created_at)
        .string(project.name)
        .strings(project.classes)
        .string(project.model)
        .string(project.prompt)
        .string(project.pooling)
        .string(project.document_prefix)
        .string(project.query_prefix)
        .finish()
    )


def decode_project(buffer: Buffer) -> Project:
    reader = Reader(buffer, "project")
    alpha, attribute_count, created_at = reader.unpack(_NUMBERS)
    name, classes, model, prompt = reader.string(), reader.strings(), reader.string(), reader.string()
    pooling = "" if reader.ended else reader.string()
    document_prefix = "" if reader.ended else reader.string()
    query_prefix = "" if reader.ended else reader.string()
    reader.end()
    return Project(
        name=name,
        classes=classes,
        model=model,
        prompt=prompt,
        alpha=alpha,
        attribute_count=attribute_count,
        created_at=created_at,
        pooling=pooling,
        document_prefix=document_prefix,
        query_prefix=query_prefix,
    )
