"""The host's side of `inference.runner.forkserver`: processes that are forked, with the face of asyncio's."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import socket
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections.abc import Sequence

from common import sandbox

logger = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER = 36
_ANSWER_S = 60.0  # the first answer waits until torch is imported
_ASK_AGAIN_S = 0.01


class ForkedProcess:
    """A process that the fork server made and this process is the parent of."""

    def __init__(self, pid: int, stdout: StreamReader, stderr: StreamReader) -> None:
        self.pid = pid
        self.stdout, self.stderr = stdout, stderr
        self.returncode: int | None = None
        self._file = os.pidfd_open(pid)
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._file, self._reap)

    async def wait(self) -> int:
        """Wait for its end, and give its status; negative is the number of a signal."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    def terminate(self) -> None:
        """Ask it to finish."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal; nothing happens where it has ended."""
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._file, number)

    def _reap(self) -> None:
        try:
            result = os.waitid(os.P_PIDFD, self._file, os.WEXITED)
        except ChildProcessError:  # it ended before it became ours
            self._loop.remove_reader(self._file)
            self._loop.call_later(_ASK_AGAIN_S, self._loop.add_reader, self._file, self._reap)
            return
        assert result is not None
        self._loop.remove_reader(self._file)
        os.close(self._file)
        self.returncode = result.si_status if result.si_code == os.CLD_EXITED else -result.si_status
        self._ended.set()


class ForkServer:
    """Starts a fork server when it is first needed, and again should it have died."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._channel: socket.socket | None = None
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def fork(self, *words: str, limit: int) -> ForkedProcess:
        """Give a process that runs an entry of the fork server. Raises OSError if there is none to be had.

        Who is cancelled meanwhile leaves nothing behind: the answer is read all the same, or the next to ask would be
        given this one's process.
        """
        forking = asyncio.ensure_future(self._fork(words, limit))
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(_end_unwanted)
            raise

    async def _fork(self, words: Sequence[str], limit: int) -> ForkedProcess:
        async with self._turn:
            if self._process is None or self._process.returncode is not None:
                await self._start()
            try:
                return await self._ask(words, limit)
            except OSError:
                await self.stop()
                raise

    async def stop(self) -> None:
        """End the fork server; what it made goes on."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._process = None

    async def _start(self) -> None:
        await self.stop()
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "cannot become the parent of forked processes")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *sandbox.command("inference.runner.forkserver", *self._options),
                env=sandbox.environment(threads=1),
                cwd="/",
                stdin=theirs.fileno(),
                start_new_session=True,
            )
        self._channel = ours

    async def _ask(self, words: Sequence[str], limit: int) -> ForkedProcess:
        assert self._channel is not None
        loop = asyncio.get_running_loop()
        (stdout, for_stdout), (stderr, for_stderr) = await _pipe(limit), await _pipe(limit)
        try:
            socket.send_fds(self._channel, [json.dumps(words).encode()], [for_stdout, for_stderr])
        finally:
            os.close(for_stdout)
            os.close(for_stderr)
        try:
            async with asyncio.timeout(_ANSWER_S):
                answer = await loop.sock_recv(self._channel, 32)
        except TimeoutError as error:
            raise OSError("the fork server does not answer") from error
        if not answer:
            raise OSError("the fork server has ended")
        return ForkedProcess(int(answer), stdout, stderr)


def _end_unwanted(forking: asyncio.Future[ForkedProcess]) -> None:
    if not forking.cancelled() and forking.exception() is None:
        forking.result().kill()


async def _pipe(limit: int) -> tuple[StreamReader, int]:
    """Give a stream that ends with the process, and the file that the process writes to."""
    reading, writing = os.pipe()
    reader = StreamReader(limit=limit)
    file = os.fdopen(reading, "rb", 0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return reader, writing
