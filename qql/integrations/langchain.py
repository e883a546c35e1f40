"""A pipeline as a retriever of LangChain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qql.integrations.about import described
from qql.missing import library
from qql.retrieval import Document, Retriever, retriever

library("langchain_core.retrievers", "qql.integrations.langchain")

from langchain_core.callbacks import (  # noqa: E402
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document as LangChainDocument  # noqa: E402
from langchain_core.retrievers import BaseRetriever  # noqa: E402
from pydantic import Field, PrivateAttr  # noqa: E402

__all__ = ["QQLRetriever"]


class QQLRetriever(BaseRetriever):
    """Documents of a pipeline: ``QQLRetriever(pipeline="QUERY :q FROM docs …", db="http://…")``.

    The fields are the arguments of `qql.retriever`. ``options`` are those of `qql.connect`, for a target that
    is opened here. Metadata is the point's, and what is known of ``qql_id``, ``qql_score``,
    ``qql_first_stage_score``, ``qql_second_stage_score`` and ``qql_ranks``.

    Raises what `qql.retriever` raises.
    """

    pipeline: str
    db: Any
    query: str = "q"
    params: dict[str, Any] = Field(default_factory=dict)
    text: str | None = None
    stages: bool = False
    options: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)
    _retriever: Retriever = PrivateAttr()

    def model_post_init(self, context: Any, /) -> None:
        """Check the pipeline, before a question is asked."""
        super().model_post_init(context)
        self._retriever = retriever(
            self.pipeline,
            self.db,
            query=self.query,
            params=self.params,
            text=self.text,
            stages=self.stages,
            **self.options,
        )

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """`langchain_core.load` writes it and reads it, if the database is the name of a target."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where it is found."""
        return ["qql", "integrations", "langchain"]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **params: Any
    ) -> list[LangChainDocument]:
        return _as_documents(self._retriever.retrieve(query, **params))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **params: Any
    ) -> list[LangChainDocument]:
        return _as_documents(await self._retriever.aretrieve(query, **params))


def _as_documents(found: list[Document]) -> list[LangChainDocument]:
    return [
        LangChainDocument(id=str(one.id), page_content=one.text, metadata=_metadata(one.metadata, one))
        for one in found
    ]


def _metadata(metadata: Mapping[str, Any], document: Document) -> dict[str, Any]:
    return {**metadata, **described(document)}
