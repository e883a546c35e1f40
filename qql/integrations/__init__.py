"""Pipelines as the retrievers of other frameworks: `langchain`, `llama_index` and `haystack`.

Each takes a pipeline as text with its parameters, and works synchronously and awaited. The frameworks are
extras: ``pip install "qql-lang[langchain]"``, ``[llama-index]``, ``[haystack]``.
"""
