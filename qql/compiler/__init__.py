"""Nodes to plans to requests: reads no file, opens no connection, imports no Qdrant library."""
