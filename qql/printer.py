"""Tree → text, in the canonical spelling."""

from __future__ import annotations

import json
import re
from typing import Any

from qql import nodes

__all__ = ["show"]

_BARE = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*(\[\])?(\.[A-Za-z_$][A-Za-z0-9_$]*(\[\])?)*", re.ASCII)


def show(node: Any) -> str:
    """The QQL text of a query, a stage or any part of one, on one line."""
    match node:
        case None:
            return "null"
        case bool():
            return "true" if node else "false"
        case str():
            return _string(node)
        case int() | float():
            return repr(node)
        case nodes.Param():
            return f":{node.key}" if isinstance(node.key, str) else "?"
        case nodes.Name():
            return _name(node)
        case nodes.Scalar():
            return show(node.value)
        case nodes.Uuid():
            return f"UUID({show(node.text)})"
        case list():
            return f"[{', '.join(show(item) for item in node)}]"
        case dict():
            return "{" + ", ".join(f"{_key(key)}: {show(item)}" for key, item in node.items()) + "}"
        case nodes.Text() | nodes.Vector() | nodes.Point() | nodes.Points() | nodes.AnyInput():
            return _target(node)
        case nodes.Query():
            return _query(node)
        case nodes.Ref():
            return _ref(node)
        case nodes.Lookup():
            vector = f" VECTOR {_name(node.vector)}" if node.vector else ""
            return f"LOOKUP FROM {_name(node.collection)}{vector}"
        case nodes.Option():
            return f"{_key(node.name)} = {_option_value(node.value)}"
        case _:
            return _condition(node)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    if text.startswith("'"):
        escaped = "\\" + escaped[1:]  # three quotes in a row would begin another kind of string
    return "'" + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + "'"


def _name(name: nodes.Name) -> str:
    if isinstance(name.text, nodes.Param):
        return f"IDENTIFIER({show(name.text)})"
    return name.text if _BARE.fullmatch(name.text) else _string(name.text)


def _key(key: str) -> str:
    return (
        key
        if re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", key, re.ASCII)
        else json.dumps(key, ensure_ascii=False)
    )


def _option_value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(show(option) for option in value)})"
    return show(value)


def _target(target: nodes.Target) -> str:
    match target:
        case nodes.Text():
            model = f" MODEL {show(target.model)}" if target.model else ""
            text = target.text.value
            # Alone, a parameter could be any target, and the text of a UUID would be a point.
            bare = isinstance(text, str) and not nodes.is_uuid(text)
            return f"{'' if bare else 'TEXT '}{show(target.text)}{model}"
        case nodes.Vector():
            return (
                f"VECTOR {show(target.value)}"
                if isinstance(target.value, nodes.Param)
                else show(target.value)
            )
        case nodes.Point():
            return f"POINT {show(target.id)}"
        case nodes.Points():
            if isinstance(target.ids, nodes.Param):
                return f"POINTS {show(target.ids)}"
            return f"POINTS ({', '.join(show(i) for i in target.ids)})"
        case nodes.AnyInput():
            return show(target.value)


def _query(query: nodes.Query) -> str:
    out = []
    if query.ctes:
        ctes = (f"{_name(cte.name)} AS ({show(cte.stage)})" for cte in query.ctes)
        out.append(f"WITH {', '.join(ctes)}")
    fusion = f"FUSION {query.fusion.method.upper()}" if query.fusion else ""
    out.append(f"QUERY {show(query.target)}" if query.target is not None else f"QUERY {fusion}")
    if query.source:
        out.append(f"FROM {_name(query.source)}")
    if query.using:
        kind = f" AS {query.using.kind.upper()}" if query.using.kind else ""
        out.append(f"USING {_name(query.using.name)}{kind}")
    if query.where is not None:
        out.append(f"WHERE {show(query.where)}")
    if query.prefetch:
        out.append(f"PREFETCH ({', '.join(show(ref) for ref in query.prefetch)})")
    if fusion and query.target is not None:
        out.append(fusion)
    if query.threshold:
        out.append(f"SCORE THRESHOLD {show(query.threshold)}")
    if query.params:
        out.append(f"PARAMS ({', '.join(show(option) for option in query.params)})")
    out += [f"WITH {word} {_selection(s)}" for word, s in _selected(query)]
    if query.lookup:
        out.append(show(query.lookup))
    if query.limit:
        out.append(f"LIMIT {show(query.limit)}")
    if query.offset:
        out.append(f"OFFSET {show(query.offset)}")
    return " ".join(out)


def _selected(query: nodes.Query) -> list[tuple[str, nodes.Selection]]:
    return [(w, s) for w, s in (("PAYLOAD", query.payload), ("VECTOR", query.vectors)) if s is not None]


def _selection(selection: nodes.Selection) -> str:
    if selection.mode in ("all", "none"):
        return "true" if selection.mode == "all" else "false"
    return f"{selection.mode.upper()} ({', '.join(_name(name) for name in selection.names)})"


def _ref(ref: nodes.Ref) -> str:
    out = [_name(ref.stage) if isinstance(ref.stage, nodes.Name) else f"({show(ref.stage)})"]
    if ref.where is not None:
        out.append(f"WHERE {show(ref.where)}")
    if ref.threshold:
        out.append(f"SCORE THRESHOLD {show(ref.threshold)}")
    if ref.lookup:
        out.append(show(ref.lookup))
    return " ".join(out)


_MATCH = {"text": "MATCH", "phrase": "MATCH PHRASE", "prefix": "MATCH PREFIX", "text_any": "MATCH TOKENS"}


def _condition(condition: nodes.Condition) -> str:
    match condition:
        case nodes.Compare():
            return f"{_name(condition.name)} {condition.op} {show(condition.value)}"
        case nodes.Between():
            return f"{_name(condition.name)} BETWEEN {show(condition.low)} AND {show(condition.high)}"
        case nodes.In():
            return f"{_name(condition.name)} IN {_list(condition.values)}"
        case nodes.IsNull():
            return f"{_name(condition.name)} IS NULL"
        case nodes.IsEmpty():
            return f"{_name(condition.name)} IS EMPTY"
        case nodes.Match(kind="any" | "except"):
            return f"{_name(condition.name)} MATCH {condition.kind.upper()} {_list(condition.value)}"
        case nodes.Match():
            return f"{_name(condition.name)} {_MATCH[condition.kind]} {show(condition.value)}"
        case nodes.And():
            return " AND ".join(_grouped(condition.children, (nodes.And, nodes.Or)))
        case nodes.Or():
            return " OR ".join(_grouped(condition.children, (nodes.Or,)))
        case nodes.Not(child=nodes.And() | nodes.Or()):
            return f"NOT ({_condition(condition.child)})"
        case nodes.Not(child=child):
            text = _condition(child)
            return _negated(text, child) or f"NOT {text}"


def _grouped(children: tuple[nodes.Condition, ...], kinds: tuple[type, ...]) -> list[str]:
    texts = []
    for child in children:
        text = _condition(child)
        texts.append(f"({text})" if isinstance(child, kinds) else text)
    return texts


def _negated(text: str, child: nodes.Condition) -> str | None:
    """NOT in the place where it is read most easily: ``a NOT IN (…)``, ``a IS NOT NULL``."""
    match child:
        case nodes.In() | nodes.Between() | nodes.Match():
            name = _name(child.name)
            return f"{name} NOT{text[len(name) :]}"
        case nodes.IsNull() | nodes.IsEmpty():
            name = _name(child.name)
            return f"{name} IS NOT{text[len(name) + len(' IS') :]}"
    return None


def _list(values: Any) -> str:
    if isinstance(values, tuple):
        return f"({', '.join(show(value) for value in values)})"
    return show(values)
