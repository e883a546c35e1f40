"""The models that the command line and the environment name."""

from __future__ import annotations

import os

from qql.cli.commands.options import Arguments

__all__ = ["default_model", "rerank_model_of"]


def default_model() -> str:
    """The model of a new dense vector of which nothing is said: QQL_MODEL, else the documented default."""
    from qql.compiler.model_names import DEFAULT_DENSE, full_name

    return full_name(os.environ.get("QQL_MODEL") or DEFAULT_DENSE)


def rerank_model_of(args: Arguments) -> str | None:
    """The model of a RERANK that names none."""
    return args.get("rerank_model") or os.environ.get("QQL_RERANK_MODEL") or None
