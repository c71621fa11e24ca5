"""logd: a daemon that collects logs from local processes, and the Python side of talking to it."""

from logd.version import __version__

__all__ = ["__version__"]
