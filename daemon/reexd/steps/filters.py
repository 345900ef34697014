"""Filters: the small language in which documents are selected. Pure: knows words and records, reads no store.

    filter  = all { "or" all }                  all = one { "and" one }
    one     = "not" one | "(" filter ")" | FLAG | FIELD compared VALUE | FIELD "in" "(" VALUE { "," VALUE } ")"
    compared: = != of every field, < <= > >= of numbers and of reliability, "contains" of texts, whatever the case

A value is a word, a number, or a text in quotes; of label and prediction a class by its name or index, -1 no label, -99
no class. Keywords and names of fields are read whatever their case.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from reexd.errors import InvalidInput
from reexd.records import OUT_OF_DISTRIBUTION, UNLABELLED, Document, Prediction
from reexd.store.codecs.prediction import RELIABILITIES
from reexd.store.predictions import probability

LENGTH_MAX, DEPTH_MAX = 4_096, 50
ROLES = ("unseen", "support", "calibration", "used-before")  # as records.Role counts them


class Subject(NamedTuple):
    """What a filter looks at; a prediction where it needs one, the text where it needs that."""

    document: Document
    prediction: Prediction | None


Test = Callable[[Subject], bool]


@dataclass(frozen=True)
class Filter:
    holds: Test
    needs_prediction: bool
    needs_text: bool


class _Field(NamedTuple):
    kind: str  # text | number | class | reliability | role | flag
    read: Callable[[Subject], object]
    predicted: bool = False


def _said(read: Callable[[Prediction], object], kind: str = "number") -> _Field:
    return _Field(kind, lambda subject: read(subject.prediction), predicted=True)  # type: ignore[arg-type]


def _right(subject: Subject) -> bool:
    return subject.prediction is not None and subject.document.label == subject.prediction.prediction


FIELDS: dict[str, _Field] = {
    **{name: _Field("text", operator.attrgetter(f"document.{name}")) for name in ("id", "split", "text")},
    **{name: _Field("text", operator.attrgetter(f"document.{name}")) for name in ("info", "group")},
    "label": _Field("class", lambda subject: subject.document.label),
    "labelled": _Field("flag", lambda subject: subject.document.label != UNLABELLED),
    "edited": _Field("flag", lambda subject: subject.document.labelled_by_person),
    "prediction": _said(lambda it: it.prediction, "class"),
    "right": _Field("flag", _right, predicted=True),
    "wrong": _Field("flag", lambda it: it.document.label >= 0 and not _right(it), predicted=True),
    "admitted": _said(lambda it: it.region_alpha > 0, "flag"),
    "alpha": _said(lambda it: it.region_alpha),
    "probability": _said(probability),
    "q": _said(lambda it: it.q),
    "d0": _said(lambda it: it.d0),
    "d": _said(lambda it: it.d),
    "q_prime": _said(lambda it: it.q_prime),
    "reliability": _said(lambda it: RELIABILITIES.index(it.reliability), "reliability"),
    "role": _said(lambda it: it.role, "role"),
}
_COMPARED: dict[str, Callable[[object, object], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ORDERED = ("number", "reliability")
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<sign><=|>=|!=|[=<>(),])|(?P<word>[^\s=<>!(),'"]+))"""
)


def parse(text: str, classes: Sequence[str]) -> Filter:
    """Raises InvalidInput, which says what was expected where."""
    if len(text) > LENGTH_MAX:
        raise InvalidInput(f"a filter has up to {LENGTH_MAX:,} characters; received {len(text):,}")
    return _Parser(text, classes).filter()


class _Token(NamedTuple):
    kind: str  # text | sign | word | end
    value: str
    place: int  # 1-based


class _Parser:
    def __init__(self, text: str, classes: Sequence[str]) -> None:
        self._classes = classes
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._used: set[str] = set()

    def filter(self) -> Filter:
        test = self._any()
        if self._next.kind != "end":
            self._refuse("'and', 'or' or its end")
        predicted = any(FIELDS[name].predicted for name in self._used)
        return Filter(test, predicted, "text" in self._used)

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _taken(self, *words: str) -> str:
        """One of the words or signs, if it is next; empty otherwise."""
        found = self._next.value.lower()
        if self._next.kind not in ("word", "sign") or found not in words:
            return ""
        self._at += 1
        return found

    def _any(self) -> Test:
        tests = [self._all()]
        while self._taken("or"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda subject: any(test(subject) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._taken("and"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda subject: all(test(subject) for test in tests)

    def _one(self) -> Test:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise InvalidInput(f"a filter is at most {DEPTH_MAX} parentheses and nots deep")
        try:
            if self._taken("not"):
                test = self._one()
                return lambda subject: not test(subject)
            if self._taken("("):
                test = self._any()
                if not self._taken(")"):
                    self._refuse("'and', 'or' or ')'")
                return test
            return self._comparison()
        finally:
            self._depth -= 1

    def _comparison(self) -> Test:
        name = self._next.value.lower()
        if self._next.kind != "word" or name not in FIELDS:
            self._refuse(f"'not', '(' or one of {', '.join(FIELDS)}")
        self._at += 1
        self._used.add(name)
        field = FIELDS[name]
        if field.kind == "flag":
            return lambda subject: bool(field.read(subject))
        if self._taken("in"):
            values = self._list(field.kind)
            return lambda subject: field.read(subject) in values
        if field.kind == "text" and self._taken("contains"):
            part = str(self._value("text")).casefold()
            return lambda subject: part in str(field.read(subject)).casefold()
        signs = tuple(_COMPARED) if field.kind in _ORDERED else ("=", "!=")
        sign = self._taken(*signs)
        if not sign:
            also = ", contains" if field.kind == "text" else ""
            self._refuse(f"{' '.join(signs)}{also} or in after {name}")
        compared, value = _COMPARED[sign], self._value(field.kind)
        return lambda subject: compared(field.read(subject), value)

    def _list(self, kind: str) -> tuple[object, ...]:
        if not self._taken("("):
            self._refuse("'(' after in")
        values = [self._value(kind)]
        while self._taken(","):
            values.append(self._value(kind))
        if not self._taken(")"):
            self._refuse("',' or ')'")
        return tuple(values)

    def _value(self, kind: str) -> object:
        token = self._next
        if token.kind not in ("word", "text"):
            self._refuse("a value")
        value = _read(kind, token, self._classes)
        if value is None:
            self._refuse(
                _EXPECTED.get(kind) or f"one of the classes {', '.join(self._classes[:10])}, or an index"
            )
        self._at += 1
        return value

    def _refuse(self, expected: str) -> NoReturn:
        found = "its end" if self._next.kind == "end" else repr(self._next.value)
        raise InvalidInput(
            f"in the filter, at character {self._next.place}: expected {expected}; received {found:.80}"
        )


_EXPECTED = {
    "number": "a number",
    "reliability": f"one of {', '.join(RELIABILITIES)}",
    "role": f"one of {', '.join(ROLES)}",
}


def _read(kind: str, token: _Token, classes: Sequence[str]) -> object:
    """What a value means for a field of this kind; None when it means nothing."""
    if kind == "text":
        return token.value
    if kind in ("reliability", "role"):
        words = RELIABILITIES if kind == "reliability" else ROLES
        return words.index(token.value.lower()) if token.value.lower() in words else None
    if kind == "class" and token.value in classes:
        return classes.index(token.value)
    if token.kind == "text":
        return None
    try:
        number = float(token.value)
    except ValueError:
        return None
    if kind == "number":
        return None if number != number else number
    known = number in range(len(classes)) or number in (UNLABELLED, OUT_OF_DISTRIBUTION)
    return int(number) if known else None


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            place = at + len(text[at:]) - len(text[at:].lstrip()) + 1
            raise InvalidInput(
                f"in the filter, at character {place}: expected a field, a value or a sign, with both quotes around a"
                f" text; received {text[place - 1 : place + 19]!r}"
            )
        kind = match.lastgroup or ""
        value = match[kind]
        found.append(_Token(kind, value[1:-1] if kind == "text" else value, match.start(kind) + 1))
        at = match.end()
    return [*found, _Token("end", "", len(text) + 1)]
