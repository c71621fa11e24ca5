"""logd: a daemon that collects logs from local processes, and the Python side of talking to it.

    logging.getLogger().addHandler(logd.LogHandler("nightly"))

    with logd.Run("nightly") as run:
        for page in run.track(pages, "pages"):
            run.log("fetched", url=page.url)

Each name is imported when it is first used. logd-python(7) describes them.
"""

from logd.version import __version__

TYPE_CHECKING = False  # as type checkers know it; importing `typing` takes longer than all else here
if TYPE_CHECKING:
    from logd.client import AsyncRun, LogHandler, Run

__all__ = ["AsyncRun", "LogHandler", "Run", "__version__"]


def __getattr__(name: str) -> object:
    if name in __all__:
        import logd.client

        found: object = getattr(logd.client, name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
