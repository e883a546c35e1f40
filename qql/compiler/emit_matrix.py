"""MATRIX → POST …/points/search/matrix/pairs or /offsets: how near points of a sample are to one another."""

from __future__ import annotations

from qql import nodes
from qql.compiler.emit_filters import emit_filter
from qql.compiler.emit_points import clean
from qql.compiler.options.query import MATRIX_OPTIONS, REQUEST_OPTIONS
from qql.compiler.options.table import read_options
from qql.compiler.plan import Context, collection_of
from qql.compiler.planner import plan_query
from qql.compiler.scalars import count_limit, shard_key
from qql.rest.request import Request, collection_path

__all__ = ["emit_matrix"]


def emit_matrix(statement: nodes.Matrix, context: Context) -> list[Request]:
    """One request. Which vector is compared is found as for a search that begins at a point."""
    collection = collection_of(statement.source, context, statement.span)
    options = read_options(statement.params, {**MATRIX_OPTIONS, **REQUEST_OPTIONS}, "MATRIX")
    form = options.pop("form", "pairs")
    url = {key: options.pop(key) for key in REQUEST_OPTIONS if key in options}
    point = nodes.Point(nodes.Scalar(0, span=statement.span), span=statement.span)
    search = nodes.Query(target=point, using=statement.using, source=statement.source, span=statement.span)
    body = clean(
        {
            "filter": emit_filter(statement.where),
            "limit": count_limit(statement.limit, "LIMIT", 1),
            "using": plan_query(search, context).root.using,
            "shard_key": shard_key(statement.shard),
        }
    )
    path = collection_path(collection, "points", "search", "matrix", form)
    return [Request("POST", path, url, body | options)]
