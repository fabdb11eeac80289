"""A certificate authority for one world, and the server's certificate signed by it."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIFETIME: Final = timedelta(days=30)
_CLOCK_SKEW: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A server's certificate and key, and the authority that clients trust; all PEM.

    Attributes:
        authority: the authority's certificate.
        certificate: the server's certificate.
        key: the server's private key.
    """

    authority: bytes
    certificate: bytes
    key: bytes = field(repr=False)

    @classmethod
    def create(cls, hosts: Sequence[str]) -> Certificate:
        """Make an authority that is forgotten at once, and a certificate for ``hosts``.

        Args:
            hosts: addresses and names that the server answers to.
        """
        authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        issuer, subject = _name("torghut-miniature-ca"), _name("kube-apiserver")
        authority = (
            _builder(issuer, issuer, authority_key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(authority_key, hashes.SHA256())
        )
        certificate = (
            _builder(issuer, subject, key.public_key())
            .add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        return cls(
            authority.public_bytes(serialization.Encoding.PEM),
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def server_context(self) -> ssl.SSLContext:
        """Return the context for a server; the key touches a private file for a moment only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as directory:
            chain = Path(directory, "chain.pem")
            chain.touch(mode=0o600)
            chain.write_bytes(self.key + self.certificate)
            context.load_cert_chain(chain)
        return context


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )
