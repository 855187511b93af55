"""The certificate of the host's door: the one that settings name, or one made at the first start."""

from __future__ import annotations

import logging
import os
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from django.conf import settings

from common.errors import Invalid

logger = logging.getLogger(__name__)

_LIFE = timedelta(days=5 * 365)
_WARN_BEFORE = timedelta(days=30)


def server_context(host: str) -> tuple[ssl.SSLContext, str]:
    """Give the TLS of the door and the fingerprint of its certificate. Raises Invalid if it cannot be read."""
    named = (settings.MODEL_HOST["CERTIFICATE"], settings.MODEL_HOST["KEY"])
    certificate, key = (Path(named[0]), Path(named[1])) if named[0] else _made(host)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0
    try:
        context.load_cert_chain(certificate, key)
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Invalid(f"the certificate of the model host cannot be read: {error}", code="bad_certificate") from None
    left = found.not_valid_after_utc - datetime.now(UTC)
    if left < _WARN_BEFORE:
        logger.warning("the certificate of the model host ends in %d days: %s", left.days, certificate)
    return context, f"sha256:{found.fingerprint(SHA256()).hex()}"


def _made(host: str) -> tuple[Path, Path]:
    folder = Path(settings.FLUEMAN_HOME) / "host"
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not (certificate.exists() and key.exists()):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        private = ec.generate_private_key(ec.SECP256R1())
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        _write(key, private.private_bytes(*form))
        _write(certificate, _sign(host, private).public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _sign(host: str, private: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Flueman model host")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName([_alternative(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, SHA256())
    )


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
