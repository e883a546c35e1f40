"""The language explained, from its grammar and its declarations."""
