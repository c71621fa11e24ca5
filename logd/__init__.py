"""logd: a daemon that collects logs from local processes, and the Python side of talking to it.

    logging.getLogger().addHandler(logd.LogHandler("nightly"))

    with logd.Run("nightly") as run:
        for page in run.track(pages, "pages"):
            run.log("fetched", url=page.url)

Each name is imported when it is first used. logd-python(7) describes them.
"""

from typing import TYPE_CHECKING, Any

from logd.version import __version__

if TYPE_CHECKING:
    from logd.client import AsyncRun, LogHandler, Run

__all__ = ["AsyncRun", "LogHandler", "Run", "__version__"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        import logd.client

        return getattr(logd.client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
