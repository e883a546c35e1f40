"""What a server lacks, as diagnostics: what is refused before anything is sent, and what is warned of.

A `Gap` is a diagnostic without a place; `placed` finds the place in the text of a statement, where the words
of the construct stand. Codes: ``server-too-old``, ``unknown-version``, ``unsupported-operation`` (not over
gRPC), and the warning ``older-meaning``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from qql.errors import Diagnostic, QQLConnectionError, Source, Span, fail
from qql.records import NamedTuple, replace
from qql.rest.request import Request

from .constructs import KINDS, OLDEST, Construct
from .versions import (
    OLDEST_VERSION,
    Lack,
    Transport,
    Use,
    Version,
    effect_of,
    is_write,
    lacks_of,
    parse_version,
    shown_version,
    since_of,
    younger,
)

__all__ = ["Gap", "assumed_version", "gaps_in", "heeds_not", "placed", "told", "unknown_gaps"]


class Gap(NamedTuple):
    """A construct that a server may lack, and what there is to say of it."""

    construct: Construct
    diagnostic: Diagnostic


def assumed_version(text: str) -> Version:
    """The version that a user says a server has, as ``1.18`` or ``1.18.3``.

    Raises `QQLConnectionError` (``invalid-version``) for what is none, and for one before `OLDEST`.
    """
    version = parse_version(text) if isinstance(text, str) else None  # 1.20, a number, would be 1.2
    if version is None or version < OLDEST_VERSION or version >= (2, 0, 0):
        fail(
            "invalid-version",
            f"a version of Qdrant from {OLDEST} on is required, found `{text}`",
            hint="e.g. 1.18, or 1.18.3; the server's own `GET /` says it",
            error=QQLConnectionError,
        )
    return version


def heeds_not(found: Iterable[Use], transport: Transport) -> bool:
    """Whether an older server might carry out a write with these as if one of them were not there."""
    return transport == "grpc" or any(effect_of(one, transport) == "ignores" for one, _ in found)


def gaps_in(request: Request, version: Version, transport: Transport) -> list[Gap]:
    """What a server of this version lacks of a request, or understands otherwise; each construct once."""
    return told(lacks_of(younger(request), version, transport), version)


def told(lacks: Iterable[Lack], version: Version) -> list[Gap]:
    """What there is to say of what a server lacks; each construct once."""
    found = {lack.construct.words: Gap(lack.construct, _told(lack, version)) for lack in lacks}
    return list(found.values())


def _told(lack: Lack, version: Version) -> Diagnostic:
    construct, name = lack.construct, _shown(lack.construct)
    this = f"this server is {shown_version(version)}"
    if lack.since is None:
        hint = "REST (http://…:6333) has it"
        return Diagnostic("unsupported-operation", f"{name} is not carried over gRPC", hint=hint)
    if lack.effect == "differs":
        message = f"ids of {name} that do not exist are left out: {this}, and only {lack.since} refuses them"
        return Diagnostic("older-meaning", message, hint=construct.way, severity="warning")
    message = f"{name} needs Qdrant {lack.since}; {this}"
    return Diagnostic("server-too-old", message, hint=construct.way)


def unknown_gaps(request: Request, found: Iterable[Use], transport: Transport, address: str) -> list[Gap]:
    """What there is to say where a server does not tell its version: errors for writes that older servers
    would carry out without a condition or a guard, warnings for what they would pass over.
    """
    writes, gaps = is_write(request), {}
    for construct, _ in found:
        effect = effect_of(construct, transport)
        since = since_of(construct, transport)
        stops = writes and KINDS[construct.kind].guards
        if since is None or effect == "differs" or (effect == "refuses" and not stops):
            continue
        message = (
            f"{_shown(construct)} needs Qdrant {since}, and {address} does not tell its version"
            f"{'' if effect == 'refuses' else ': an older server would pass over it'}"
        )
        hint = f"`--assume-version {since}`, or connect(assume_version='{since}'), says what the server is"
        severity = "error" if stops else "warning"
        gaps[construct.words] = Gap(
            construct, Diagnostic("unknown-version", message, hint=hint, severity=severity)
        )
    return list(gaps.values())


def _shown(construct: Construct) -> str:
    words = construct.words
    return words if words[0].isupper() else f"`{words}`"


# ------------------------------------------------------------------------------------ places in a text

_ASIDE = r"""'(?:[^'\\]|\\.|'')*+'|"(?:[^"\\]|\\.)*+"|`[^`]*+`|--[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/"""


def placed(gap: Gap, source: Source, statement: Span) -> Diagnostic:
    """The diagnostic at the first place in a statement where the construct's words stand outside of texts and
    comments; at the statement, where they stand nowhere, as in a parameter.
    """
    pattern = re.compile(f"(?P<found>{_pattern(gap.construct)})|{_ASIDE}", re.I | re.S)
    for match in pattern.finditer(source.text, statement.start, statement.end):
        if match["found"] is not None:
            return gap.diagnostic.at(source, Span(*match.span("found")))
    return replace(gap.diagnostic, source=source, span=statement)


def _pattern(construct: Construct) -> str:
    """The words of a construct as a text has them; what is a value may stand in quotes."""
    words = construct.words.partition(" …")[0]
    together = r"\s+".join(map(re.escape, words.split()))
    pattern = rf"(?<![\w.]){together}(?!\w)"
    if construct.kind == "word" or construct.value is not None:
        return rf"""['"`]?{pattern}['"`]?"""
    return pattern if words[0].isupper() else rf"{pattern}(?=\s*[=:])"
