"""The key pair of the JWT bearer flow, made here: the certificate is uploaded to Salesforce, the private key stays.

Source: Salesforce Help, "Create a Private Key and Self-Signed Digital Certificate".
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

KEY_BITS: Final = 2048
LIFE: Final = timedelta(days=5 * 365)
ALREADY: Final = timedelta(days=1)
"""How long before it was made a certificate is valid: the other side's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Both in PEM form; the repr does not show the private key."""

    certificate: str
    private_key: str = field(repr=False)


def make_key_pair(now_at: datetime) -> KeyPair:
    """A new RSA key with a certificate that it signed itself, good for five years."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "optsync")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now_at - ALREADY)
        .not_valid_after(now_at + LIFE)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(certificate.public_bytes(Encoding.PEM).decode(), private.decode())
