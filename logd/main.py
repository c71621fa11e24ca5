"""The `logd` command: start, stop, restart and look at the daemon."""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import click

from logd import accel, console
from logd.client import Client
from logd.config import Config, load_config
from logd.daemon import lifecycle
from logd.errors import DaemonUnavailable, LogdError, NotPermitted
from logd.paths import Paths
from logd.protocol import Stats

LOG_BYTES = 1024 * 1024
LOG_FILES = 3
START_SECONDS = 10.0
"""How long `start` waits for a daemon that another process is starting."""
STOP_SECONDS = 30.0
_MIB = 1024 * 1024


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@console.location_options
@click.pass_context
def cli(context: click.Context, /, **options: Any) -> None:
    """Collect logs from local processes.

    The daemon listens at a Unix socket of this user's, stores what it is sent in rotating files of JSON lines, and
    shows it live. Emit and watch with logctl(1).
    """
    context.obj = console.paths_of(options)


def _load(paths: Paths) -> Config:
    return load_config(paths.config, must_exist=paths.is_config_named)


@cli.command()
@click.option("--foreground", is_flag=True, help="Stay in the foreground, and log to standard error.")
@click.pass_obj
def start(paths: Paths, foreground: bool) -> None:
    """Start the daemon in the background, and return when it answers."""
    config = _load(paths)
    accel.mode()  # a mistake in it is said here, and not in a log
    if (pid := answering_pid(paths)) is not None:
        if foreground:
            raise lifecycle.AlreadyServed(f"another logd (pid {pid}) listens at {paths.socket}")
        click.echo(f"logd runs already (pid {pid})")
        return
    lifecycle.prepare_folders(paths)
    if foreground:
        _serve(paths, config, lambda: None, foreground=True)
        return
    try:
        lifecycle.run_in_background(lambda on_ready: _serve(paths, config, on_ready, foreground=False))
    except lifecycle.AlreadyStarted:
        # Whoever asked for a daemon at this socket has one when it answers.
        pid = _wait_answering(paths)
        if pid is None:
            raise
        click.echo(f"logd runs already (pid {pid})")
        return
    pid = _wait_answering(paths)
    if pid is None:
        raise DaemonUnavailable("the daemon has started and does not answer", hint=f"its log is {paths.log}")
    click.echo(f"logd started (pid {pid})")


@cli.command()
@click.pass_obj
def stop(paths: Paths) -> None:
    """Stop the daemon when it has stored what was sent.

    It returns when the daemon has ended.
    """
    click.echo("logd stopped" if _stop(paths) else "logd does not run")


@cli.command()
@click.pass_context
def restart(context: click.Context) -> None:
    """Stop the daemon, if it runs, and start it."""
    _load(context.obj)  # a mistake in it shall not cost the running daemon
    accel.mode()
    _stop(context.obj)
    context.invoke(start, foreground=False)


@cli.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the output.")
@click.pass_obj
def status(paths: Paths, output: str) -> None:
    """Show how the daemon does."""
    with Client(paths, "logd status") as client:
        stats = client.request(Stats(client.new_id()))
    click.echo(json.dumps(stats) if output == "json" else describe(stats))


def describe(stats: dict[str, Any]) -> str:
    """The reply to `stats`, for people."""
    rates = f"{stats['records_per_second']:,.0f} records/s, {stats['bytes_per_second'] / _MIB:,.1f} MiB/s"
    rows = [
        ("logd", f"{stats['version']}, pid {stats['pid']}, up {_duration(stats['uptime_seconds'])}"),
        ("socket", stats["socket"]),
        ("state", stats["state_dir"]),
        ("runs", f"{stats['runs']:,}"),
        ("taken in", f"{stats['records']:,} records, {stats['bytes'] / _MIB:,.1f} MiB"),
        ("now", f"{rates}, {stats['pending_bytes'] / _MIB:,.1f} MiB waiting to be stored"),
        ("removed", f"{stats['removed_records']:,} records that were over a limit"),
        ("connections", f"{stats['connections']:,}"),
        ("sessions", f"{len(stats['sessions']):,}"),
    ]
    rows += [("", f"{each['run']}  pid {each['pid']}  {each['records']:,} records") for each in stats["sessions"]]
    rows += [("subscriptions", f"{len(stats['subscriptions']):,}")]
    rows += [
        ("", f"{each['run']}  pid {each['pid']}  {each['mode']}, {each['lag_records']:,} records behind")
        for each in stats["subscriptions"]
    ]
    operations = stats.get("operations", [])  # a daemon before them has none
    rows += [("accelerated" if not number else "", _operation(each)) for number, each in enumerate(operations)]
    if stats["store_error"]:
        rows.append(("STORE", f"{stats['store_error']}: emitters wait"))
    return "\n".join(f"{name:<14}{value}" for name, value in rows)


def _operation(figures: dict[str, Any]) -> str:
    """An operation's figures in a line; see logd/accel.py."""
    seconds = figures["set_aside_seconds"]
    if not figures["installed"]:
        use = "not installed"
    elif figures["mode"] == "off":
        use = "off"
    elif seconds != 0:
        use = "set aside " + ("for good" if seconds is None else f"for {seconds:.0f} s")
    else:
        use = "always" if figures["mode"] == "on" else f"from {figures['threshold_bytes']:,} bytes on"
    parts = [use, f"{figures['accelerated_calls']:,} calls", f"{figures['reference_calls']:,} of the reference"]
    if figures["speed_up"] is not None:
        parts.append(f"{figures['speed_up']:,.1f} times as fast")
    if figures["failures"]:
        parts.append(f"{figures['failures']:,} failures, the last: {figures['last_error']}")
    return f"{figures['name']:<8} {', '.join(parts)}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def answering_pid(paths: Paths) -> int | None:
    """The process id of the daemon that answers at the socket, None where none does."""
    try:
        with Client(paths, "logd start") as client:
            return client.welcome.pid
    except NotPermitted:
        raise
    except LogdError:
        return None


def _wait_answering(paths: Paths) -> int | None:
    deadline = time.monotonic() + START_SECONDS
    while (pid := answering_pid(paths)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return pid


def _stop(paths: Paths) -> bool:
    """Stop the daemon that holds the socket's lock; False where none does."""
    if not paths.socket.parent.is_dir():
        return False
    lock = lifecycle.socket_lock(paths)
    try:
        holder = lock.holder()
        if holder is None:
            return False
        pid = holder.pid
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            return False
        except PermissionError:
            raise NotPermitted(f"logd (pid {pid}) is another user's") from None
        if not lock.wait_released(STOP_SECONDS):
            raise LogdError(f"logd (pid {pid}) has not stopped within {STOP_SECONDS:.0f} s", hint=f"see {paths.log}")
        return True
    finally:
        lock.close()


def _serve(paths: Paths, config: Config, on_ready: Callable[[], None], *, foreground: bool) -> None:
    """Be the daemon, until it is stopped."""
    os.umask(0o077)
    locks = lifecycle.acquire_locks(paths)
    _log_to(paths, foreground=foreground)
    # Only now: the commands that only ask need no event loop, and whoever loses the race for the locks neither.
    import trio

    from logd.daemon.server import Server

    logger = logging.getLogger("logd")
    try:
        listener = lifecycle.listen(paths)
        server = Server(config, paths)

        def ready() -> None:
            logger.info("serving at %s, storing in %s", paths.socket, paths.state_dir)
            on_ready()

        async def main() -> None:
            await server.serve(trio.SocketListener(trio.socket.from_stdlib_socket(listener)), ready)

        trio.run(main)
        paths.socket.unlink(missing_ok=True)
        logger.info("stopped")
    except LogdError as error:
        logger.error("%s", error.message)
        raise
    except BaseException:
        logger.exception("the daemon failed")
        raise
    finally:
        for lock in locks:
            lock.close()


def _log_to(paths: Paths, *, foreground: bool) -> None:
    handler: logging.Handler = (
        logging.StreamHandler(sys.stderr)
        if foreground
        else logging.handlers.RotatingFileHandler(paths.log, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1)
    )
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger("logd")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def main() -> None:
    """The entry point of `logd`."""
    console.run(cli)


if __name__ == "__main__":
    main()
