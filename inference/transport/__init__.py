"""The ways to a version's process: calls joined by turn of the event loop, sent, and their answers checked."""

from inference.transport.answers import Output, Result, decode, is_finite, split
from inference.transport.calls import Runner, travelling
from inference.transport.sockets import SocketRunner

__all__ = ["Output", "Result", "Runner", "SocketRunner", "decode", "is_finite", "split", "travelling"]
