"""The daemon: the one place where protocol, ingest, store and fan-out meet."""
