"""The bench's own loader against a server that also misbehaves: what went wrong is counted, nothing is lost."""

import asyncio

from bench.loader import Tally, percentile, request_bytes, run

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"
ANSWERS = (GOOD, CHUNKED, BUSY, GOOD, CUT)


async def load(answers: tuple[bytes, ...], **options: float) -> Tally:
    """Serve these answers in turn and call for a moment."""
    given = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal given
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(2)
                answer = answers[given % len(answers)]
                given += 1
                writer.write(answer)
                await asyncio.sleep(0.001)
                if answer is CUT:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/predict"
    async with server:
        return await run(url, request_bytes(url, {}, b"[]"), clients=1, seconds=0.5, **options)


def test_loader_when_answers_are_bad_or_cut_then_each_is_counted() -> None:
    tally = asyncio.run(load(ANSWERS))
    calls = len(tally.latencies)
    assert calls >= len(ANSWERS)
    assert calls // 5 * 2 <= len(tally.errors) <= (calls // 5 + 1) * 2
    assert {"503" in error or "Incomplete" in error for error in tally.errors} == {True}


def test_loader_when_paced_then_no_faster() -> None:
    tally = asyncio.run(load((GOOD,), per_second=20))
    assert 1 <= len(tally.latencies) <= 11
    assert tally.errors == []


def test_percentile_when_of_few_or_none_then_given() -> None:
    assert [percentile(values, 0.99) for values in ([], [3.0], [1.0, 2.0])] == [0.0, 3.0, 2.0]
