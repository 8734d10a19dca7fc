"""The credentials file: how a client gets in. It and the key beside it are for their owner's eyes only (mode 0600)."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from practice_org import clock
from practice_org.ids import record_id
from practice_org.schema import PREFIXES
from practice_org.sessions import Identity, new_access_token
from practice_org.users import USERNAME

KEY_BITS = 2_048


@dataclass(frozen=True)
class Credentials:
    """The content of the file; the key is in `private_key_file`."""

    instance_url: str
    login_url: str
    org_id: str
    username: str
    client_id: str
    client_secret: str
    private_key_file: str
    access_token: str


def prepare(file: Path, base_url: str, org_number: int = 1) -> tuple[Credentials, Identity]:
    """Writes the private key beside `file` and returns what belongs in `file`; removes a stale one, so that a waiting
    reader never takes it for the new one. A key and secrets left by an earlier run are used again.
    """
    old = _read_old(file)
    file.unlink(missing_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    key_file = file.with_suffix(".key.pem").resolve()
    key = _load_or_make_key(key_file)
    org_id = record_id(PREFIXES["Organization"], org_number)
    credentials = Credentials(
        instance_url=base_url,
        login_url=base_url,
        org_id=org_id,
        username=USERNAME,
        client_id=old.get("client_id") or f"3MVG9Practice{clock.token_hex(24)}",
        client_secret=old.get("client_secret") or clock.token_hex(32).upper(),
        private_key_file=str(key_file),
        access_token=old.get("access_token") or new_access_token(org_id),
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    identity = Identity(
        base_url,
        org_id,
        credentials.username,
        credentials.client_id,
        credentials.client_secret,
        credentials.access_token,
        public,
    )
    return credentials, identity


def publish(file: Path, credentials: Credentials) -> None:
    """Puts the file in place in one step; whoever sees it sees all of it."""
    _write_private(file, json.dumps(asdict(credentials), indent=2).encode() + b"\n")


def _read_old(file: Path) -> dict[str, str]:
    try:
        values = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in values.items() if isinstance(value, str)} if isinstance(values, dict) else {}


def _load_or_make_key(file: Path) -> rsa.RSAPrivateKey:
    try:
        known = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        known = None
    if isinstance(known, rsa.RSAPrivateKey):
        return known
    key = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
    _write_private(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def _write_private(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
    draft.replace(file)
