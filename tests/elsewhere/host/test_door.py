"""The door of a model host against strangers, impostors and lines that break; behind it a socket that repeats."""

import asyncio
import os
import socket
import ssl
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from common.errors import Invalid, Unavailable
from flueman.checks import check_model_host
from inference import reach
from inference.host import door, places

TOKEN = "t0ken-of-the-tests-that-is-long-enough"
NAME = "m-" + "0" * 32
LARGE = os.urandom(1 << 20) * 24


class Repeater:
    """A unix socket that sends back what it reads."""

    def __init__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(places.run_folder() / f"{NAME}.sock"))
        self.listener.listen(256)
        self.seen = 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.repeat, args=(connection,), daemon=True).start()

    def repeat(self, connection):
        self.seen += 1
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)
            except OSError:
                return


@pytest.fixture
def home(settings, tmp_path):
    settings.FLUEMAN_HOME = tmp_path
    settings.MODEL_HOST = {**settings.MODEL_HOST, "TOKEN": TOKEN}
    return tmp_path


@pytest.fixture
def address(home, settings):
    """Give the address of an open door that this process trusts."""
    said = []
    with door.opened("127.0.0.1:0", said.append) as found:
        settings.MODEL_HOST["TRUST"] = said[0].rpartition("=")[2]
        yield found


@pytest.fixture
def repeater(home):
    made = Repeater()
    yield made
    made.listener.close()


def port_of(address):
    return int(address.rpartition(":")[2])


def raw(address):
    """Give a TLS connection that has said nothing yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connected = socket.create_connection(("127.0.0.1", port_of(address)), 10)
    return context.wrap_socket(connected)


def answer_to(address, line):
    """Give what the door says to a first line, nothing if it closes."""
    with closing(raw(address)) as connected:
        try:
            connected.sendall(line)
            return connected.recv(100)
        except OSError:
            return b""


def repeats(address, data=b"hello"):
    """Give whether what goes through the door comes back; by turns, for two threads may not share a TLS connection."""
    with closing(reach.connect_now(f"{address}/{NAME}", 20)) as connected:
        for start in range(0, len(data), 1 << 16):
            piece, found = data[start : start + (1 << 16)], bytearray()
            connected.sendall(piece)
            while len(found) < len(piece) and (part := connected.recv(1 << 16)):
                found += part
            if found != piece:
                return False
        return True


def test_door_when_the_token_is_right_passes_bytes_on_both_ways(address, repeater):
    assert repeats(address)
    assert repeats(address, LARGE)

    class Reader(asyncio.Protocol):
        def connection_made(self, transport):
            transport.write(b"by the loop")

        def data_received(self, data):
            heard.set_result(data)

    async def talk():
        nonlocal heard
        heard = asyncio.get_running_loop().create_future()
        await reach.connect(f"{address}/{NAME}", Reader())
        return await heard

    heard = None
    assert asyncio.run(talk()) == b"by the loop"


def test_door_when_words_or_token_are_wrong_lets_nothing_through(address, repeater):
    good = f"flueman 1 {NAME} {TOKEN}\n"
    for line in (
        good.replace(TOKEN, TOKEN[:-1] + "x"),
        good.replace(TOKEN, ""),
        good.replace(TOKEN, TOKEN + " x"),
        good.replace("flueman 1", "flueman 2"),
        good.replace(NAME, "../../secrets"),
        good.replace(NAME, "../run/" + NAME),
        good.replace(NAME, NAME.upper()),
        good.replace(NAME, "m-" + "1" * 32),
        good.replace(NAME, "host"),
        good + "words before the answer",
        "\0" * 600,
        "\n",
        f"GET / HTTP/1.1\r\nAuthorization: {TOKEN}\r\n\r\n",
    ):
        assert answer_to(address, line.encode()) == b"", line
    assert repeater.seen == 0
    assert answer_to(address, good.encode()) == reach.YES
    assert repeats(address)


def test_door_when_plain_http_or_nonsense_comes_closes_and_goes_on(address, repeater):
    for data in (b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 5000, b"\x16\x03\x01\x02\x00\x01"):
        with closing(socket.create_connection(("127.0.0.1", port_of(address)), 10)) as connected:
            connected.sendall(data)
            connected.shutdown(socket.SHUT_WR)
            try:
                while connected.recv(1000):
                    continue
            except ConnectionError:
                continue
    assert repeats(address)


def test_door_when_strangers_stay_silent_ends_them_and_lets_callers_in(address, repeater, monkeypatch):
    monkeypatch.setattr(door, "GREETING_S", 1.0)
    slow = [socket.create_connection(("127.0.0.1", port_of(address)), 10) for _ in range(100)]
    silent = [raw(address) for _ in range(door.MAX_STRANGERS + 10)]
    began = time.monotonic()
    assert repeats(address)
    assert time.monotonic() - began < 2
    assert all(is_ended(connected) for connected in silent)
    for connected in slow:
        connected.close()


def is_ended(connected):
    """Give whether the other side ends a connection."""
    connected.settimeout(10)
    with closing(connected):
        try:
            return connected.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


def test_door_when_a_line_breaks_ends_the_other_side(address, repeater):
    connected = reach.connect_now(f"{address}/{NAME}", 10)
    connected.sendall(b"half a fra")
    assert connected.recv(4) == b"half"
    connected.close()
    inside = reach.connect_now(f"{address}/{NAME}", 10)
    repeater.listener.close()
    assert repeats_over(inside)
    (places.run_folder() / f"{NAME}.sock").unlink()
    with pytest.raises(ConnectionError):
        reach.connect_now(f"{address}/{NAME}", 10)
    inside.close()


def repeats_over(connected):
    connected.sendall(b"still")
    return connected.recv(5) == b"still"


def test_caller_when_the_certificate_is_another_says_no_token(address, settings, repeater):
    for trust in ("", "sha256:" + "0" * 64, "/nowhere/authorities.pem"):
        settings.MODEL_HOST = {**settings.MODEL_HOST, "TRUST": trust}
        with pytest.raises(OSError, match=r".+"):
            reach.connect_now(f"{address}/{NAME}", 5)
        with pytest.raises(OSError, match=r".+"):
            asyncio.run(reach.connect(f"{address}/{NAME}", asyncio.Protocol()))
    assert repeater.seen == 0


def make_certificate(folder, *, ends):
    """Write a certificate for 127.0.0.1 that signs itself, and give its paths."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "host")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(1)
        .not_valid_before(ends - timedelta(days=10))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(private, SHA256())
    )
    certificate, key = folder / "c.pem", folder / "k.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(private.private_bytes(*form))
    return str(certificate), str(key)


@pytest.mark.parametrize("days", [-1, 1])
def test_caller_when_a_certificate_has_ended_does_not_believe_it(home, settings, repeater, days):
    certificate, key = make_certificate(home, ends=datetime.now(UTC) + timedelta(days=days))
    settings.MODEL_HOST = {**settings.MODEL_HOST, "CERTIFICATE": certificate, "KEY": key}
    said = []
    with door.opened("127.0.0.1:0", said.append) as address:
        for trust in (said[0].rpartition("=")[2], certificate):
            settings.MODEL_HOST["TRUST"] = trust
            if days > 0:
                assert repeats(address)
                continue
            with pytest.raises(ssl.SSLError, match=r"ended|expired"):
                reach.connect_now(f"{address}/{NAME}", 5)


def test_door_when_it_cannot_be_opened_says_why(home, settings, address):
    with pytest.raises(Unavailable, match="cannot listen"), door.opened(f"127.0.0.1:{port_of(address)}", print):
        pass
    for listen in ("8700", "127.0.0.1", "127.0.0.1:http", ""):
        with pytest.raises(Invalid, match="no address"), door.opened(listen, print):
            pass
    settings.MODEL_HOST = {**settings.MODEL_HOST, "TOKEN": "short"}
    with pytest.raises(Invalid, match="32 characters"), door.opened("127.0.0.1:0", print):
        pass


def test_door_when_started_again_shows_the_same_certificate_that_others_cannot_read(home):
    said = []
    for _ in range(2):
        with door.opened("127.0.0.1:0", said.append):
            pass
    assert len({line.rpartition("=")[2] for line in said}) == 1
    assert (home / "host" / "key.pem").stat().st_mode & 0o077 == 0


def test_settings_when_the_token_is_short_are_refused(settings):
    for token, ids in (("", []), ("x" * 31, ["flueman.E023"]), (TOKEN, [])):
        settings.MODEL_HOST = {**settings.MODEL_HOST, "TOKEN": token}
        assert [found.id for found in check_model_host()] == ids
