"""The process that models' processes are forked from: `python -P -s -m inference.runner.forkserver --parent PID`.

It imports torch once, reads nothing of any model, and forks for each request of the host. The fork becomes a child of
the host, builds its walls while it has one thread, and only then opens the model: like one that was started anew,
without the seconds and the 150 MB that importing torch takes each time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import sys
import time
import traceback
from importlib import import_module

from common import sandbox

ENTRIES = ("check", "child")
REQUEST_BYTES = 64 * 1024
_PRELOADED = ("inference.runner.server", "inference.runner.examination")
_ADOPTION_S, _LOOK_S = 5.0, 0.0005


def main() -> int:
    """Answer requests with the number of a new process each, until the host has gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--transformers", action="store_true", help="import what Hugging Face folders need too")
    options = parser.parse_args()
    parent = options.parent
    sandbox.die_with(parent)
    channel = socket.socket(fileno=os.dup(0))
    for module in _PRELOADED:
        import_module(module)
    for name in ENTRIES:
        import_module(f"inference.runner.{name}")
    if options.transformers:
        import_module("inference.runner.huggingface").preload()
    gc.collect()
    gc.freeze()  # the collector's marks would copy every shared page
    while True:
        request, files, _, _ = socket.recv_fds(channel, REQUEST_BYTES, 2)
        if not request:
            return 0
        first = os.fork()
        if first == 0:
            _fork_again(channel, json.loads(request), files, parent)
        for file in files:
            os.close(file)
        os.waitpid(first, 0)


def _fork_again(channel: socket.socket, words: list[str], files: list[int], parent: int) -> None:
    """Fork the process of the model and end, so that the host, which reaps for all below it, becomes its parent."""
    status = 1
    try:
        pid = os.fork()
        if pid:
            channel.send(str(pid).encode())
            status = 0
        else:
            os.setsid()
            channel.close()
            _take_streams(files)
            status = _run(words, parent)
    except BaseException:  # nothing may go back into the loop of the fork server
        traceback.print_exc()
    finally:
        os._exit(status)


def _take_streams(files: list[int]) -> None:
    """Put the streams that the host sent in the place of our own."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, file in enumerate((nothing, *files)):
        os.dup2(file, number)
        os.close(file)


def _run(words: list[str], parent: int) -> int:
    until = time.monotonic() + _ADOPTION_S
    while os.getppid() != parent:
        if time.monotonic() > until:
            return 1  # the host has gone
        time.sleep(_LOOK_S)
    name, *arguments = words
    if name not in ENTRIES:
        raise ValueError(name)
    sys.argv = [name, "--parent", str(parent), *arguments]
    try:
        return int(import_module(f"inference.runner.{name}").main())
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
        return error.code if isinstance(error.code, int) else 1


if __name__ == "__main__":
    sys.exit(main())
