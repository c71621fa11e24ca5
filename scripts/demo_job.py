"""A job to watch: compiles the standard library's sources, and says how that went."""

import os
import sys
import sysconfig
import time
from pathlib import Path

SLOW_MILLISECONDS = 60


def main() -> int:
    root = Path(sysconfig.get_path("stdlib"))
    limit = int(os.environ.get("LOGD_DEMO_SOURCES", "2000"))
    sources = [path for path in sorted(root.rglob("*.py")) if "site-packages" not in path.parts][:limit]
    print(f"compiling {len(sources)} sources below {root}")
    lines = broken = 0
    for path in sources:
        name = path.relative_to(root)
        started = time.perf_counter()
        try:
            text = path.read_bytes()
            compile(text, str(name), "exec")
        except (SyntaxError, ValueError) as error:
            broken += 1
            print(f"ERROR {name}: {error}", file=sys.stderr)
            continue
        milliseconds = (time.perf_counter() - started) * 1000
        lines += text.count(b"\n")
        print(f"compiled {name}: {text.count(10):,} lines in {milliseconds:.1f} ms".replace(",", " "))
        if milliseconds > SLOW_MILLISECONDS:
            print(f"WARNING {name} took {milliseconds:.0f} ms", file=sys.stderr)
    print(f"compiled {lines} lines; {broken} sources are broken")
    return 0


if __name__ == "__main__":
    sys.exit(main())
