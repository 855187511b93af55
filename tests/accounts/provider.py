"""A real OpenID Connect provider on this machine, which also misbehaves when it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "flueman-test", "a secret of the provider"


@cache
def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class Provider:
    """Answers, records what it was asked, and lies as `lies` says."""

    def __init__(self) -> None:
        self.key, self.kid = _key(), "k1"
        self.subject = "subject-1"
        self.claims: dict[str, Any] = {"preferred_username": "minji", "groups": ["ops"]}
        self.lies: dict[str, Any] = {}
        self.metadata_lies: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.sign_with: Any = None
        self.fault = ""
        self.asked: list[str] = []
        self.codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.get(self)

            def do_POST(self) -> None:
                provider.post(self)

            def log_message(self, *_args: Any) -> None:
                """Stay quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def rotate(self) -> None:
        """Sign with another key; the old one is no longer published."""
        self.key, self.kid = rsa.generate_private_key(65537, 2048), "k2"

    def get(self, door: BaseHTTPRequestHandler) -> None:
        """Answer a GET."""
        parts = urlsplit(door.path)
        self.asked.append(parts.path)
        if self.fault and self.fault_on(door, parts.path):
            return
        if parts.path == "/.well-known/openid-configuration":
            self.send(door, {**self.metadata(), **self.metadata_lies})
        elif parts.path == "/jwks":
            jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
            self.send(door, {"keys": [{**jwk, "kid": self.kid, "use": "sig"}]})
        else:
            self.send(door, {}, 404)

    def fault_on(self, door: BaseHTTPRequestHandler, path: str) -> bool:
        """Do what a broken provider does; tell whether that was the answer."""
        kind, _, where = self.fault.partition(" ")
        if where != path:
            return False
        if kind == "500":
            self.send(door, {"error": "server_error"}, 500)
        elif kind == "html":
            self.raw(door, b"<html>maintenance</html>")
        elif kind == "list":
            self.raw(door, b"[1, 2]")
        elif kind == "huge":
            self.raw(door, b'{"x": "' + b"a" * 3_000_000 + b'"}')
        elif kind == "redirect":
            door.send_response(302)
            door.send_header("Location", "http://127.0.0.1:1/elsewhere")
            door.end_headers()
        elif kind == "cut":
            door.send_response(200)
            door.send_header("Content-Length", "1000")
            door.end_headers()
            door.wfile.write(b"{")
        return True

    def post(self, door: BaseHTTPRequestHandler) -> None:
        """Exchange a code, once, for who proves that it asked for it."""
        form = {k: v[0] for k, v in parse_qs(door.rfile.read(int(door.headers["Content-Length"])).decode()).items()}
        self.asked.append(door.path)
        if self.fault and self.fault_on(door, door.path):
            return
        basic = base64.b64decode(door.headers.get("Authorization", "Basic ").split()[-1]).decode()
        asked = self.codes.pop(form.get("code", ""), None)
        proof = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        if basic != f"{CLIENT}:{SECRET.replace(' ', '+')}" and basic != f"{CLIENT}:{SECRET}":
            self.send(door, {"error": "invalid_client"}, 401)
        elif (
            asked is None or asked["code_challenge"] != proof.decode() or asked["redirect_uri"] != form["redirect_uri"]
        ):
            self.send(door, {"error": "invalid_grant"}, 400)
        else:
            token = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.id_token(asked["nonce"])}
            self.send(door, {name: value for name, value in token.items() if value is not None})

    def authorize(self, url: str) -> str:
        """Do what the log-in page does for a person who agrees; give where their browser is sent."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["response_type"], asked["client_id"], asked["code_challenge_method"]) == ("code", CLIENT, "S256")
        code = hashlib.sha256(url.encode()).hexdigest()
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def id_token(self, nonce: str) -> str | None:
        """Give an ID token, as good as `lies` lets it be."""
        now = int(time.time())
        good = {"iss": self.issuer, "aud": CLIENT, "sub": self.subject, "iat": now, "exp": now + 300, "nonce": nonce}
        said = {name: value for name, value in {**good, **self.claims, **self.lies}.items() if value is not None}
        if self.lies.get("id_token", "") is None:
            return None
        key = self.sign_with if self.sign_with is not None else self.key
        return jwt.encode(said, key, algorithm=self.algorithm, headers={"kid": self.kid, **self.header})

    def metadata(self) -> dict[str, Any]:
        """Give what discovery tells."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "end_session_endpoint": f"{self.issuer}/logout",
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def send(self, door: BaseHTTPRequestHandler, body: Any, status: int = 200) -> None:
        """Send JSON."""
        self.raw(door, json.dumps(body).encode(), status, "application/json")

    def raw(self, door: BaseHTTPRequestHandler, body: bytes, status: int = 200, kind: str = "text/html") -> None:
        """Send bytes."""
        door.send_response(status)
        door.send_header("Content-Type", kind)
        door.send_header("Content-Length", str(len(body)))
        door.end_headers()
        door.wfile.write(body)


@contextmanager
def running() -> Iterator[Provider]:
    """Give a provider that answers until the end."""
    provider = Provider()
    thread = threading.Thread(target=provider.server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        provider.server.server_close()
        thread.join(10)
