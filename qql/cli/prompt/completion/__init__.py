"""Completion: what may stand at the cursor, by the parser's tables and what is known of the collections."""
