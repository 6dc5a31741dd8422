"""Command line of local_nemo.

python -m local_nemo                    serve in the foreground (--port, --state)
python -m local_nemo stop               end the server that runs on a state folder
python -m local_nemo prepare            convert the bundled model once, so that the first start is quick
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from local_nemo import server
from local_nemo.settings import BadSetting, Settings


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local_nemo", description="NeMo Microservices on one machine")
    parser.add_argument("command", nargs="?", choices=["serve", "stop", "prepare"], default="serve")
    parser.add_argument("--host", help="loopback address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on; 0 chooses a free one (default 8900)")
    parser.add_argument("--state", type=Path, help="folder that keeps everything (default .local_nemo)")
    parser.add_argument("--base-model", help="'bundled', a folder in Hugging Face layout, or a hub id")
    parser.add_argument("--base-name", help="name under which the base model is trained and served")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = vars(parse(argv))
    command = options.pop("command")
    try:
        settings = Settings.from_env(**options)
        commands: dict[str, Callable[[Settings], int]]
        commands = {"serve": server.serve, "stop": server.stop, "prepare": server.prepare}
        return commands[command](settings)
    except (BadSetting, server.CannotStart) as error:
        print(f"local_nemo: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
