"""A pipeline as a component of Haystack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qql.integrations.about import described
from qql.missing import library
from qql.retrieval import Document, retriever

library("haystack", "qql.integrations.haystack")

from haystack import Document as HaystackDocument  # noqa: E402
from haystack import component, default_from_dict, default_to_dict  # noqa: E402
from haystack.utils import Secret, deserialize_secrets_inplace  # noqa: E402

__all__ = ["QQLRetriever"]


@component
class QQLRetriever:
    """Documents of a pipeline: ``QQLRetriever("QUERY :q FROM docs …", "http://…")``.

    The arguments are those of `qql.retriever`, which says what is raised. ``api_key`` is a `Secret`, of which
    only the name of its variable is written down. ``meta`` is the point's, and what is known of ``qql_id``,
    ``qql_first_stage_score``, ``qql_second_stage_score`` and ``qql_ranks``.
    """

    def __init__(
        self,
        pipeline: str,
        db: Any,
        query: str = "q",
        params: dict[str, Any] | None = None,
        text: str | None = None,
        stages: bool = False,
        api_key: Secret | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.api_key = api_key
        self.options: dict[str, Any] = dict(options or {})
        given = self.options | ({} if api_key is None else {"api_key": api_key.resolve_value()})
        self._retriever = retriever(
            pipeline, db, query=query, params=params, text=text, stages=stages, **given
        )

    @component.output_types(documents=list[HaystackDocument])
    def run(self, query: str, params: dict[str, Any] | None = None) -> dict[str, list[HaystackDocument]]:
        """The documents for a question; ``params`` are more values. Raises as `Retriever.retrieve` does."""
        return {"documents": _as_documents(self._retriever.retrieve(query, **(params or {})))}

    @component.output_types(documents=list[HaystackDocument])
    async def run_async(
        self, query: str, params: dict[str, Any] | None = None
    ) -> dict[str, list[HaystackDocument]]:
        """The same, awaited."""
        return {"documents": _as_documents(await self._retriever.aretrieve(query, **(params or {})))}

    def to_dict(self) -> dict[str, Any]:
        """As Haystack writes pipelines down. Raises as `Retriever.to_dict` does."""
        key = None if self.api_key is None else self.api_key.to_dict()
        written: dict[str, Any] = default_to_dict(
            self, **self._retriever.to_dict(), api_key=key, options=self.options
        )
        return written

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> QQLRetriever:
        """As Haystack reads them."""
        deserialize_secrets_inplace(data["init_parameters"], keys=["api_key"])
        made: QQLRetriever = default_from_dict(cls, data)
        return made


def _as_documents(found: list[Document]) -> list[HaystackDocument]:
    return [
        HaystackDocument(
            id=str(one.id), content=one.text, score=one.score, meta=_meta(one.metadata, described(one))
        )
        for one in found
    ]


def _meta(metadata: Mapping[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    return {**metadata, **{key: value for key, value in known.items() if key != "qql_score"}}
