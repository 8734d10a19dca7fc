"""The mail providers that may call: their secrets, what counts as an opt-out, when they were last heard.

A secret is made here, shown once and kept as a keyed hash; it travels as the password in the address that the provider
is given. A key with which the provider signs is stored encrypted. No Django here: the command line needs it too.
"""

import hmac
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from psycopg.rows import dict_row

from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.ledger.queries import sql
from optsync.webhooks.providers import PROVIDERS, Policy, Provider
from optsync.webhooks.sns import is_topic

if TYPE_CHECKING:
    from optsync.config.vault import Vault

PACKAGE: Final = "optsync.webhooks"
USER: Final = "optsync"
SECRET_BYTES: Final = 24
KEY_CHARACTERS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Source:
    """A provider that may call. `unreadable` counts events that wait for a person because nobody could read them,
    `put_off` those that could not be recorded so far and are tried again."""

    provider: Provider
    secret_hash: bytes = field(repr=False)
    old_secret_hashes: Sequence[bytes] = field(repr=False)
    signing_key: bytes | None = field(repr=False)
    topic: str | None
    policy: Policy
    added_at: datetime
    added_by: str
    last_event_at: datetime | None
    rejected_at: datetime | None
    rejected_why: str | None
    unreadable: int
    put_off: int


def listing(conn: psycopg.Connection, slug: str | None = None) -> list[Source]:
    """Every one, by name; with `slug` that one alone."""
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(sql(PACKAGE, "sources"), [slug], prepare=True).fetchall()
    return [
        Source(
            provider=PROVIDERS[row.pop("provider")],
            policy=Policy(row.pop("takes_complaints"), row.pop("takes_bounces"), row.pop("takes_groups")),
            **row,
        )
        for row in rows
        if row["provider"] in PROVIDERS
    ]


def find(conn: psycopg.Connection, slug: str) -> Source | None:
    """The one with this name; None when it was not added."""
    return next(iter(listing(conn, slug)), None)


def add(
    conn: psycopg.Connection,
    vault: "Vault",
    token_bytes: Callable[[int], bytes],
    provider: Provider,
    policy: Policy,
    *,
    signing_key: str = "",
    topic: str = "",
    actor: str,
) -> str:
    """Lets a provider call, and answers the secret, which nobody can show again. Raises Problem when it may already."""
    secret = new_secret(token_bytes)
    values = settings_of(vault, provider, policy, signing_key, topic, actor)
    if provider.needs_topic and values["topic"] is None:
        raise wrong_topic()
    values["secret_hash"] = hash_of(secret, vault.subject_key)
    if conn.execute(sql(PACKAGE, "add_source"), values).fetchone() is None:
        raise Problem(
            told("%(provider)s is connected already", provider=provider.name),
            told("its address and its secret stay as they are; nothing was changed"),
            told("if the secret was lost, make a new one: optsync providers rotate %(slug)s", slug=provider.slug),
        )
    return secret


def change(
    conn: psycopg.Connection,
    vault: "Vault",
    provider: Provider,
    policy: Policy,
    *,
    signing_key: str = "",
    topic: str = "",
    actor: str,
) -> None:
    """Sets what counts as an opt-out; an empty key or topic stays as it is. Raises Problem when it was not added."""
    values = settings_of(vault, provider, policy, signing_key, topic, actor)
    if conn.execute(sql(PACKAGE, "set_source"), values).fetchone() is None:
        raise not_added(provider)


def settings_of(
    vault: "Vault", provider: Provider, policy: Policy, signing_key: str, topic: str, actor: str
) -> dict[str, object]:
    """What is stored of a source. Raises Problem for a key or topic that cannot be one."""
    key, topic = "".join(signing_key.split()), topic.strip()
    if key and not is_key(provider, key):
        raise Problem(
            told("this is not a signing key of %(provider)s", provider=provider.name),
            told("nothing was changed"),
            told("copy it from the provider's page of its webhooks, without anything around it"),
            2,
        )
    if topic and not is_topic(topic):
        raise wrong_topic()
    return {
        "provider": provider.slug,
        "signing_key": vault.encrypt(key.encode()) if key and provider.key_name else None,
        "topic": topic if topic and provider.needs_topic else None,
        "complaints": policy.complaints,
        "bounces": policy.bounces,
        "groups": policy.groups,
        "actor": actor,
    }


def is_key(provider: Provider, key: str) -> bool:
    """Whether a text can be a provider's signing key: SendGrid's is a public key, the others' are plain characters."""
    if provider.slug != "sendgrid":
        return key.isascii() and key.isprintable() and len(key) <= KEY_CHARACTERS_MAX
    try:
        load_der_public_key(b64decode(key, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def rotate(
    conn: psycopg.Connection, vault: "Vault", token_bytes: Callable[[int], bytes], provider: Provider, *, actor: str
) -> str:
    """A new secret; those before open until the new one is used, a day at most each. Raises Problem."""
    secret = new_secret(token_bytes)
    values = {"provider": provider.slug, "secret_hash": hash_of(secret, vault.subject_key), "actor": actor}
    if conn.execute(sql(PACKAGE, "rotate_source"), values).fetchone() is None:
        raise not_added(provider)
    return secret


def remove(conn: psycopg.Connection, provider: Provider, *, actor: str) -> None:
    """Takes nothing from the provider any more; what it said stays. Raises Problem when it was not added."""
    values = {"provider": provider.slug, "actor": actor}
    if conn.execute(sql(PACKAGE, "remove_source"), values).fetchone() is None:
        raise not_added(provider)


def opens(conn: psycopg.Connection, source: Source, secret: str, subject_key: bytes) -> bool:
    """Whether a secret is this source's, in constant time. The first use of the newest one ends those before."""
    given = hash_of(secret, subject_key)
    if hmac.compare_digest(given, source.secret_hash):
        if source.old_secret_hashes:
            values = {"provider": source.provider.slug, "secret_hashes": list(source.old_secret_hashes)}
            conn.execute(sql(PACKAGE, "end_old_secrets"), values)
        return True
    return any(hmac.compare_digest(given, old) for old in source.old_secret_hashes)


def heard(conn: psycopg.Connection, source: Source) -> None:
    """Writes down that the provider has told something."""
    conn.execute(sql(PACKAGE, "heard_from"), [source.provider.slug], prepare=True)


def rejected(conn: psycopg.Connection, source: Source, why: str) -> None:
    """Writes down why a call was refused."""
    conn.execute(sql(PACKAGE, "note_rejection"), {"provider": source.provider.slug, "why": why}, prepare=True)


def encrypt_again(conn: psycopg.Connection, vault: "Vault") -> int:
    """Puts every stored signing key under the vault's newest key; how many there are. Raises Problem."""
    with conn.transaction():
        stored = conn.execute(sql(PACKAGE, "lock_signing_keys")).fetchall()
        for provider, sealed in stored:
            values = {"provider": provider, "signing_key": vault.encrypt_again(sealed)}
            conn.execute(sql(PACKAGE, "replace_signing_key"), values)
    return len(stored)


def address_of(public_url: str, provider: Provider, secret: str) -> str:
    """The address to paste at the provider; the secret travels in it as a password (basic authentication)."""
    parts = urlsplit(public_url)
    path = f"{parts.path.rstrip('/')}/webhooks/{provider.slug}"
    return urlunsplit((parts.scheme, f"{USER}:{secret}@{parts.netloc}", path, "", ""))


def new_secret(token_bytes: Callable[[int], bytes]) -> str:
    """32 characters that need no escaping in an address."""
    return urlsafe_b64encode(token_bytes(SECRET_BYTES)).decode()


def hash_of(secret: str, subject_key: bytes) -> bytes:
    """What is stored of a secret. The NUL keeps it apart from the hash of any person: no normal form holds one."""
    return hmac.digest(subject_key, b"mail provider\0" + secret.encode(errors="replace"), "sha256")


def not_added(provider: Provider) -> Problem:
    """There is nothing to change."""
    return Problem(
        told("%(provider)s is not connected", provider=provider.name),
        told("nothing was changed"),
        told("connect it: optsync providers add %(slug)s", slug=provider.slug),
    )


def wrong_topic() -> Problem:
    """An SNS topic is missing or odd."""
    return Problem(
        told("this is not the ARN of an Amazon SNS topic"),
        told("without it anybody's topic could speak for yours; nothing was changed"),
        told("copy it from the Amazon SNS console, such as arn:aws:sns:eu-west-1:123456789012:mail-events"),
        2,
    )
