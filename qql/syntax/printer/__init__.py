"""Tree → text, in the canonical spelling."""

from __future__ import annotations

from qql.syntax.doc import render_flat
from qql.syntax.printer.values import document

__all__ = ["document", "show"]


def show(node: object) -> str:
    """The QQL text of a statement or any part of one, on one line."""
    return render_flat(document(node))
