"""QQL: multi-stage retrieval pipelines for Qdrant, as text."""

__version__ = "0.1.0"
