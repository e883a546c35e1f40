"""Topics of TREC in XML or SGML, as queries.

**XML**: ``<topic number="1">`` (or ``<top>``) elements, whose children and attributes are fields: ``query``,
``question``, ``narrative``, ``title`` …; a number may be a child ``num`` too. **SGML**: ``<top>`` to
``</top>``, in which ``<num>``, ``<title>``, ``<desc>``, ``<narr>`` begin fields that nothing ends. ``:query``
is the ``query``, or the ``title``; each other field is a parameter of its name. What is there several times,
as subtopics are, is one text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from qql.evaluation.files.lines import LineReader
from qql.late import late_pattern
from qql.rest.types import JsonObject

__all__ = ["topics"]

_TOPICS = ("topic", "top")
_NUMBERS = ("number", "num", "id")
_TAG = late_pattern(r"<\s*(/?)\s*([A-Za-z][A-Za-z0-9_-]*)\s*>")
_LABEL = late_pattern(r"^(Number|Topic|Description|Narrative|Title)\s*:\s*", re.IGNORECASE)


def topics(file: LineReader, first: str) -> Iterator[tuple[str, JsonObject]]:
    """The number and the fields of each topic, ``query`` among them.

    ``file.line`` is the line that it begins on. Raises `InputError` ``bad-queries``.
    """
    sgml = re.match(r"<\s*top\s*>", first, re.IGNORECASE) is not None
    for line, fields in _sgml(file) if sgml else _xml(file):
        file.line = line
        name = next((name for name in _NUMBERS if fields.get(name)), None)
        if name is None:
            file.fail("the topic has no number", "<topic number='1'>, or <num> 1")
        number = fields.pop(name)
        if "query" not in fields:
            if "title" not in fields:
                file.fail(f"the topic {number} has neither a query nor a title")
            fields["query"] = fields["title"]
        yield number, fields


def _sgml(file: LineReader) -> Iterator[tuple[int, dict[str, str]]]:
    begun = 0
    fields: dict[str, str] = {}
    field = ""
    for line in file:
        at = 0
        for tag in _TAG.finditer(line):
            _add(fields, field, line[at : tag.start()])
            at = tag.end()
            ends, name = bool(tag[1]), tag[2].lower()
            if name == "top" and ends != bool(begun):
                file.fail("</top> without <top>" if ends else f"the topic of line {begun} has no </top>")
            if name == "top" and ends:
                yield begun, {name: _LABEL.sub("", " ".join(text.split())) for name, text in fields.items()}
            begun = (0 if ends else file.line) if name == "top" else begun
            fields, field = ({}, "") if name == "top" else (fields, "" if ends else name)
        _add(fields, field, line[at:] + "\n")
    if begun:
        file.fail(f"the topic of line {begun} has no </top>")


def _add(fields: dict[str, str], field: str, text: str) -> None:
    if field:
        fields[field] = fields.get(field, "") + text


def _xml(file: LineReader) -> Iterator[tuple[int, dict[str, str]]]:
    reader = _XmlTopics(file)
    parser = reader.parser
    try:
        for line in file:
            parser.Parse((line + "\n").encode(), False)
            yield from reader.taken()
        parser.Parse(b"", True)
    except expat.ExpatError as exc:
        file.fail(f"not XML: {expat.ErrorString(exc.code)}")
    yield from reader.taken()


class _XmlTopics:
    """The topics of an XML file, as they are read."""

    def __init__(self, file: LineReader) -> None:
        self.file = file
        self.found: list[tuple[int, dict[str, str]]] = []
        self.path: list[str] = []
        self.fields: dict[str, str] | None = None
        self.begun = 0
        self.parser: Any = expat.ParserCreate("UTF-8")  # as the lines were read
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.EntityDeclHandler = self.entity

    def taken(self) -> list[tuple[int, dict[str, str]]]:
        """The topics that ended since it was called last."""
        taken, self.found = self.found, []
        return taken

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.lower()
        if self.fields is None and name in _TOPICS:
            self.fields, self.begun, self.path = dict(attributes), self.file.line, []
        elif self.fields is not None:
            if not self.path:
                self.fields[name] = f"{self.fields[name]} " if name in self.fields else ""
            self.path.append(name)

    def end(self, name: str) -> None:
        if self.fields is not None and self.path:
            self.path.pop()
        elif self.fields is not None:
            self.found.append(
                (self.begun, {key: " ".join(text.split()) for key, text in self.fields.items()})
            )
            self.fields = None

    def text(self, text: str) -> None:
        if self.fields is not None and self.path:
            self.fields[self.path[0]] += text

    def entity(self, *_: object) -> None:
        self.file.fail("it declares entities, which topics have no use for")
