"""Pictures of pipelines: one page that needs no network and no script, from the data that EXPLAIN gives.

`graph` reads the data, `layout` says where each stage stands, `flow` draws the stages and the bands between
them, `charts` the scores, `tables` what stages have in common and what became of each hit; `page` puts all of
it on a page, `style` says how that looks and `markup` writes elements.
"""

from __future__ import annotations

from qql.pictures.page import fragment, is_explained, page, svg

__all__ = ["fragment", "is_explained", "page", "svg"]
