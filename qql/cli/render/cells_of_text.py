"""How many cells of a terminal a text takes: by rich, or by Unicode's own tables where rich is absent."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qql.cli.render.plain_cells import cell_len, chop_cells, set_cell_size

__all__ = ["cell_len", "chop_cells", "set_cell_size"]

if not TYPE_CHECKING:
    try:
        from rich.cells import cell_len, chop_cells, set_cell_size
    except ModuleNotFoundError:
        from qql.cli.render.plain_cells import cell_len, chop_cells, set_cell_size
