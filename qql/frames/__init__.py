"""Results as frames of pandas, polars and pyarrow; `columns` says what is in them, `shapes` which types."""
