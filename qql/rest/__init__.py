"""A request as plain data in Qdrant's REST words: its defaults, its limits, its text as curl and Python."""
