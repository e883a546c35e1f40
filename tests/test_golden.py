"""Golden files: ``tests/golden/<topic>/<case>.qql`` and what comes out of it beside it.

A case that compiles has a ``.json`` with its requests (and warnings); one that does not has an ``.err`` with
the rendered diagnostics. ``pytest --update`` rewrites them. Settings stand in the first lines of a case, as
comments: ``-- collection: docs``, ``-- params: {…}``, ``-- models: {…}``, ``-- stages: {…}``.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import qql

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(GOLDEN.rglob("*.qql"))
_SETTING = re.compile(r"-- (collection|params|models|stages): (.*)")


def settings(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in text.splitlines():
        match = _SETTING.fullmatch(line)
        if match:
            name, value = match.groups()
            found[name] = value if name == "collection" else json.loads(value)
    return found


def outcome(case: Path) -> tuple[str, str]:
    text = case.read_text(encoding="utf-8")
    warnings: list[qql.Diagnostic] = []
    try:
        requests = qql.compile(text, name=case.name, warnings=warnings, **settings(text))
    except qql.QQLCompileError as exc:
        return ".err", exc.render() + "\n"
    out: dict[str, Any] = {"requests": [request.to_dict() for request in requests]}
    if warnings:
        out["warnings"] = [f"{w.code} at {w.line}:{w.column}: {w.message}" for w in warnings]
    return ".json", json.dumps(out, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.relative_to(GOLDEN)))
def test_golden(case: Path, update: bool) -> None:
    suffix, text = outcome(case)
    expected = case.with_suffix(suffix)
    if update:
        for other in (".json", ".err"):
            case.with_suffix(other).unlink(missing_ok=True)
        expected.write_text(text, encoding="utf-8")
    assert expected.exists(), f"{case.name} now gives {suffix}:\n{text}"
    assert text == expected.read_text(encoding="utf-8")


def test_every_outcome_has_a_case() -> None:
    for path in [*GOLDEN.rglob("*.json"), *GOLDEN.rglob("*.err")]:
        assert path.with_suffix(".qql").exists(), f"{path.name} belongs to no case"


@pytest.mark.parametrize("case", [c for c in CASES if c.with_suffix(".json").exists()], ids=lambda c: c.stem)
def test_bodies_are_what_qdrant_client_accepts(case: Path) -> None:
    text = case.read_text(encoding="utf-8")
    for request in qql.compile(text, **settings(text)):
        if request.body is None or _lacks_model(request.body):
            continue  # qdrant-client has no object for a text without a model
        dumped = request.to_models().model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert _normal(dumped) == _normal(request.body)


def _lacks_model(value: Any) -> bool:
    """Whether a text, an image or an object somewhere in a body names no model to embed it."""
    if isinstance(value, list):
        return any(map(_lacks_model, value))
    if not isinstance(value, dict):
        return False
    given = value.keys() & {"text", "image", "object"}
    return (bool(given) and value.keys() <= given | {"options"}) or any(map(_lacks_model, value.values()))


def _normal(value: Any) -> Any:
    """Without what is null, numbers as floats, dates as qdrant-client writes them."""
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d([T ].*)?", value):
        return datetime.fromisoformat(value).replace(tzinfo=None)
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
