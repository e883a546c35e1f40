"""A pipeline as a retriever of LlamaIndex."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qql.integrations.about import described
from qql.missing import library
from qql.retrieval import Document, retriever

library("llama_index.core", "qql.integrations.llama_index")

from llama_index.core.base.base_retriever import BaseRetriever  # noqa: E402
from llama_index.core.schema import BaseNode, NodeWithScore, QueryBundle, TextNode  # noqa: E402
from llama_index.core.vector_stores.utils import metadata_dict_to_node  # noqa: E402

__all__ = ["QQLRetriever"]


class QQLRetriever(BaseRetriever):
    """Nodes of a pipeline: ``QQLRetriever("QUERY :q FROM docs …", "http://…")``.

    The arguments are those of `qql.retriever`, which says what is raised. A node that LlamaIndex has written
    comes back as it was. Metadata is the point's, and what is known of ``qql_id``, ``qql_score``,
    ``qql_first_stage_score``, ``qql_second_stage_score`` and ``qql_ranks``. Where a question brings its
    embedding (``QueryBundle.embedding``) and no text, that is what is searched for.
    """

    def __init__(
        self,
        pipeline: str,
        db: object,
        *,
        query: str = "q",
        params: Mapping[str, Any] | None = None,
        text: str | None = None,
        stages: bool = False,
        **options: Any,
    ) -> None:
        self._retriever = retriever(
            pipeline, db, query=query, params=params, text=text, stages=stages, **options
        )
        super().__init__()

    def to_dict(self) -> dict[str, Any]:
        """The arguments of such a retriever, as JSON data; see `Retriever.to_dict`."""
        return self._retriever.to_dict()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _as_nodes(self._retriever.retrieve(_question(query_bundle)))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _as_nodes(await self._retriever.aretrieve(_question(query_bundle)))


def _question(bundle: QueryBundle) -> Any:
    return bundle.embedding if bundle.embedding is not None and not bundle.query_str else bundle.query_str


def _as_nodes(found: list[Document]) -> list[NodeWithScore]:
    return [NodeWithScore(node=_node(one), score=one.score) for one in found]


def _node(document: Document) -> BaseNode:
    if isinstance(document.payload.get("_node_content"), str):
        try:
            node = metadata_dict_to_node(document.payload)
        except Exception:  # of whatever kind: another release wrote it, and its text can be read all the same
            pass
        else:
            node.metadata = {**node.metadata, **described(document)}
            return node
    return TextNode(
        id_=str(document.id), text=document.text, metadata={**document.metadata, **described(document)}
    )
