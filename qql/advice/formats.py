"""Diagnostics for other programs: JSON, and SARIF 2.1.0 for code review and editors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote

from qql.advice.rules import RULES
from qql.errors import Diagnostic, Source, Span
from qql.rest.types import JsonObject

__all__ = ["to_json", "to_sarif"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_SNIPPET = 1000
"""Characters of a text that are repeated in the log."""
_LEVELS: Mapping[str, str] = {"error": "error", "warning": "warning"}
"""By severity; what is not here is a note."""


def to_json(diagnostics: Iterable[Diagnostic]) -> JsonObject:
    """``{"diagnostics": […], "count": {severity: n}}``, each as `Diagnostic.to_dict` gives it.

    Lines and columns count from 1, in characters; the end of a place is behind its last character.
    """
    found = list(diagnostics)
    return {
        "diagnostics": [one.to_dict() for one in found],
        "count": dict(sorted(Counter(one.severity for one in found).items())),
    }


def to_sarif(diagnostics: Iterable[Diagnostic], version: str | None = None) -> JsonObject:
    """A SARIF 2.1.0 log with one run: errors, warnings and advice (as notes).

    Only the rules that are broken are described. ``version`` is that of the program that reports, if it
    says.
    """
    found = list(diagnostics)
    codes = list(dict.fromkeys(one.code for one in found))
    driver: JsonObject = {"name": "qql", "rules": [_rule_metadata(code) for code in codes]}
    if version is not None:
        driver["version"] = version
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "results": [_sarif_result(one, codes.index(one.code)) for one in found],
            }
        ],
    }


def _level(severity: str) -> str:
    return _LEVELS.get(severity, "note")


def _rule_metadata(code: str) -> JsonObject:
    """A rule's metadata. Of a code that is no rule of advice (the compiler's) there are its words only, in
    all texts that code scanning requires."""
    rule = RULES.get(code)
    if rule is None:
        words = {"text": code.replace("-", " ")}
        return {"id": code, "shortDescription": words, "fullDescription": words, "help": words}
    return {
        "id": code,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.reason},
        "help": {"text": rule.text},
        "defaultConfiguration": {"level": _level(rule.severity)},
    }


def _sarif_result(one: Diagnostic, index: int) -> JsonObject:
    hint = f"\n{one.hint}" if one.hint else ""
    result: JsonObject = {
        "ruleId": one.code,
        "ruleIndex": index,
        "level": _level(one.severity),
        "message": {"text": one.message + hint},
    }
    if one.source is None:
        return result
    result["locations"] = [_location(one.source, one.span)]
    if one.related:
        result["relatedLocations"] = [
            {"id": number, **_location(one.source, span), "message": {"text": label or "see here"}}
            for number, (span, label) in enumerate(one.related, 1)
        ]
    return result


def _location(source: Source, span: Span | None) -> JsonObject:
    place: JsonObject = {"artifactLocation": {"uri": _uri(source.name)}}
    place["region"] = {"startLine": 1} if span is None else _region(source, span)
    return {"physicalLocation": place}


def _region(source: Source, span: Span) -> JsonObject:
    line, column = source.position(span.start)
    end_line, end_column = source.position(span.end)
    region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
    text = source.text[span.start : span.end]
    return region | {"snippet": {"text": text}} if len(text) <= _SNIPPET else region


def _uri(name: str) -> str:
    """A file name as a URI: an absolute one as ``file:///…``, another as a relative one without ``./``."""
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.is_absolute():
            return path.as_uri()
    return quote(name.replace("\\", "/").removeprefix("./"))
