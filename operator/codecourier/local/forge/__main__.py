"""`python -m codecourier.local.forge --state-dir DIR --port N`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from codecourier.local.errors import LocalError
from codecourier.local.forge.server import ForgeServer
from codecourier.local.forge.settings import ForgeSettings


def main() -> int:
    """Serve a forge; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m codecourier.local.forge", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="folder for all state; made if missing")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0 for the last one or a free one")
    arguments = parser.parse_args()
    settings = ForgeSettings(state_dir=arguments.state_dir.resolve(), port=arguments.port)
    try:
        ForgeServer(settings).run()
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
