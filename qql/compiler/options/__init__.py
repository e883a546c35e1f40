"""The options of every ``( key = value, … )`` block: a row for each, and one function that reads them."""
