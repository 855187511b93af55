#!/usr/bin/env python3
# ruff: noqa: UP006, UP035 - runs on old Pythons too
"""Proves an export of Flueman's audit chain, or a sealed segment of it, with nothing but the file and the public key.

    python3 verify_audit_export.py EXPORT.zip --key FINGERPRINT [--key ...] [--json]

Needs Python 3.8 or newer and no package; `cryptography` is used where it is installed, and is faster. FINGERPRINT is
the SHA-256 of the first public key, 64 hexadecimal digits, which you must have from elsewhere than from the export.
Exit code 0: whole. 1: not whole, with the first thing that is wrong. 2: the file cannot be read.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import zipfile
from typing import IO, Any, Dict, Iterator, List, Tuple

START = "0" * 64
EVENTS, STATEMENTS, MANIFEST = "events.jsonl", "statements.jsonl", "manifest.json"
LONGEST_LINE = 16 * 1024 * 1024
_EVENT = re.compile(rb'\{"hash":"([0-9a-f]{64})","event":(\{.*\})\}\n', re.DOTALL)
_SIGNED = re.compile(rb'\{"signature":"([0-9a-f]{128})","(?:statement|manifest)":(\{.*\})\}\n?', re.DOTALL)


class Wrong(Exception):
    """What is wrong, as a sentence."""


class Keys:
    """Which key may sign: one that the auditor trusts, then whichever the key before has named."""

    def __init__(self, trusted: List[str]) -> None:
        self.trusted = {text.lower() for text in trusted}
        self.public = ""

    def is_trusted(self, public: str) -> bool:
        """Tell whether the auditor has named this key, itself or by its fingerprint."""
        return bool({public, fingerprint(public)} & self.trusted)

    def accept(self, statement: Dict[str, Any], body: bytes, signature: str) -> None:
        """Check a signature; a statement of kind `key` then names the key of the next ones."""
        signer, named = self.public, ""
        if statement["kind"] == "key":
            named = str(statement["details"]["public_key"])
            if self.is_trusted(named) and statement["key_id"] == fingerprint(named):
                signer = named
        if not signer:
            raise Wrong("the first key of the export is not the one that you trust (wrong key, or another history)")
        if statement["key_id"] != fingerprint(signer) or not is_signed(body, signature, signer):
            raise Wrong(f"the signature of checkpoint {statement['number']} is not that of the key in force")
        self.public = named or signer


def verify(path: str, trusted: List[str]) -> Dict[str, Any]:
    """Walk through the export. Raises Wrong with the first thing that is wrong."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != len(set(names)):
            raise Wrong("the archive holds two files of one name")
        manifest, body, signature = _signed(archive.read(MANIFEST))
        keys = Keys(trusted)
        with archive.open(STATEMENTS) as lines:
            signed = dict(_statements(lines, keys, manifest["first_statement"], manifest["last_statement"]))
        if manifest["is_signed"] is not True or not is_signed(body, signature, keys.public):
            raise Wrong("the manifest is not signed with the key in force: the end of the export may have been cut off")
        with archive.open(EVENTS) as lines:
            signed_until = _walk(lines, manifest, signed)
    return {**manifest, "signed_until": signed_until}


def _statements(lines: IO[bytes], keys: Keys, first: int, last: int) -> Iterator[Tuple[int, str]]:
    """Give sequence and hash of each statement whose signature holds; from `first` to `last` none may be missing."""
    expected, previous = first, ""
    for line in iter(lambda: lines.readline(LONGEST_LINE), b""):
        statement, body, signature = _signed(line)
        number = statement["number"]
        keys.accept(statement, body, signature)
        if first <= number <= last:
            if number != expected or (previous and statement["previous"] != previous):
                raise Wrong(f"checkpoint {number} does not follow the one before it")
            expected, previous = number + 1, hashlib.sha256(body).hexdigest()
        yield statement["sequence"], statement["head_hash"]
    if expected != last + 1:
        raise Wrong(f"checkpoint {expected} is missing")


def _walk(lines: IO[bytes], manifest: Dict[str, Any], signed: Dict[int, str]) -> int:
    """Follow the events from the first to the last, and compare with each checkpoint on the way."""
    expected, previous, signed_until = manifest["first"], manifest["previous_hash"], manifest["first"] - 1
    if (START if expected == 1 else signed.get(expected - 1)) != previous:
        raise Wrong(f"no checkpoint vouches for what stands before event {expected}")
    for line in iter(lambda: lines.readline(LONGEST_LINE), b""):
        previous = _follow(line, expected, previous)
        if signed.get(expected, previous) != previous:
            raise Wrong(f"a checkpoint has signed another event {expected}")
        signed_until = expected if expected in signed else signed_until
        expected += 1
    if expected != manifest["last"] + 1:
        raise Wrong(f"event {expected} is missing, with all after it up to {manifest['last']}")
    if previous != manifest["last_hash"]:
        raise Wrong("the last event is not the one of the manifest")
    return int(signed_until)


def _follow(line: bytes, expected: int, previous: str) -> str:
    """Give the hash of the event on a line, which must be the expected one."""
    found = _EVENT.fullmatch(line)
    if not found:
        raise Wrong(f"event {expected} cannot be read")
    digest, body = found[1].decode(), found[2]
    if hashlib.sha256(body).hexdigest() != digest:
        raise Wrong(f"the content of event {expected} is not what was recorded")
    event = json.loads(body)
    if event["sequence"] != expected:
        raise Wrong(f"event {event['sequence']} stands where event {expected} should (deleted, inserted, reordered)")
    if event["previous_hash"] != previous:
        raise Wrong(f"event {expected} does not follow the event before it")
    return digest


def _signed(line: bytes) -> Tuple[Dict[str, Any], bytes, str]:
    """Give what was signed, its bytes and the signature."""
    found = _SIGNED.fullmatch(line)
    if not found:
        raise Wrong("a signed line cannot be read")
    return json.loads(found[2]), found[2], found[1].decode()


def fingerprint(public: str) -> str:
    """Give the SHA-256 of a public key."""
    return hashlib.sha256(bytes.fromhex(public)).hexdigest()


def is_signed(body: bytes, signature: str, public: str) -> bool:
    """Tell whether bytes were signed with a key. Source: RFC 8032."""
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - need not be there
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    except ImportError:
        return is_signed_plainly(body, bytes.fromhex(signature), bytes.fromhex(public))
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(signature), body)
    except (InvalidSignature, ValueError):
        return False
    return True


# -- Ed25519 in plain Python, for verifying only: nothing secret goes through it. Source: RFC 8032, section 6 ----------
_P = 2**255 - 19
_Q = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
Point = Tuple[int, int, int, int]


def is_signed_plainly(body: bytes, signature: bytes, public: bytes) -> bool:
    """Tell whether bytes were signed with a key, without any package."""
    a, r = _decompress(public), _decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(public) != 32 or len(signature) != 64 or a is None or r is None or s >= _Q:
        return False
    digest = hashlib.sha512(signature[:32] + public + body).digest()
    left, right = _times(s, _BASE), _add(r, _times(int.from_bytes(digest, "little") % _Q, a))
    same_x = (left[0] * right[2] - right[0] * left[2]) % _P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % _P == 0


def _add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % _P, (p[1] + p[0]) * (q[1] + q[0]) % _P
    c, d = 2 * p[3] * q[3] * _D % _P, 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _times(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)  # type: Point
    while scalar > 0:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _decompress(text: bytes) -> Point | None:
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    if len(text) != 32 or y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if (x & 1) != sign else x
    return (x, y, 1, x * y % _P)


_BASE = _decompress((4 * pow(5, _P - 2, _P) % _P).to_bytes(32, "little")) or (0, 0, 0, 0)


def main() -> int:
    """Verify the file that the command line names."""
    parser = argparse.ArgumentParser(description="Prove an export of an audit chain whole, or say what is wrong.")
    parser.add_argument("export", help="the .zip file")
    parser.add_argument("--key", action="append", required=True, help="fingerprint of a public key that you trust")
    parser.add_argument("--json", action="store_true", help="answer as one JSON object")
    options = parser.parse_args()
    try:
        found = verify(options.export, options.key)
        told = "whole: {events} events, {first} to {last}, signed until {signed_until}, exported {at}".format(**found)
        answer = {"is_whole": True, "problem": "", **found}
    except Wrong as wrong:
        told, answer = f"NOT WHOLE: {wrong}", {"is_whole": False, "problem": str(wrong)}
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        print(f"cannot be read: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 2
    print(json.dumps(answer) if options.json else told)  # noqa: T201
    return 0 if answer["is_whole"] else 1


if __name__ == "__main__":
    sys.exit(main())
