"""Models: texts to vectors (embedders), candidates to an order (rerankers)."""
