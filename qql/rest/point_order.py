"""The order in which an engine gives points where nobody says: that of their ids."""

__all__ = ["NO_ORDER_BY_ID", "ORDER_OF_IDS"]

NO_ORDER_BY_ID = "No range index for `order_by` key: `id`"
"""Part of what engines say where ORDER BY names the id of a point, which is no field of the payload."""
ORDER_OF_IDS = "leave ORDER BY out: points come in the order of their ids, and in that one only"
"""What to do then; an engine cannot walk the ids downwards."""
