"""The keys of this installation, in one file outside the database and the data folder.

Who copies the database or a plain dump of it gets no credential, and no name behind an event. The file holds:

* `credential_keys`: Fernet keys, newest first; they encrypt Salesforce credentials,
* `subject_key`: 32 bytes that name people in events; never rotated, since old events must keep their meaning,
* `django_secret_keys`: newest first; they sign sessions,
* `link_keys`: 32 bytes each, newest first; they make and read unsubscribe links, which must work for ever.
"""

import json
import os
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from optsync.config.environment import Environment
from optsync.core.problems import Problem
from optsync.core.told import told
from optsync.seams import Seams

Connection = psycopg.Connection[Any]
KEY_BYTES = 32
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Vault:
    """The keys in use. Printing it shows none of them."""

    path: Path
    credential_keys: tuple[bytes, ...] = field(repr=False)
    subject_key: bytes = field(repr=False)
    django_secret_keys: tuple[str, ...] = field(repr=False)
    link_keys: tuple[bytes, ...] = field(repr=False)

    @staticmethod
    def load_or_create(env: Environment, seams: Seams, conn: Connection | None = None) -> "Vault":
        """The keys in `env.key_file`, made on first use. Raises Problem when the file is unsafe or damaged.

        With a session on the database, a missing file is made only while nothing there depends on it, and one whose
        subject key is not the database's is refused: it would find no erased person, who could then be mailed.
        """
        refuse_beside_data(env)
        try:
            if not env.key_file.exists():
                if conn is not None:
                    refuse_lost(env.key_file, conn)
                write_once(env.key_file, as_text(new_vault(env.key_file, seams)))
            vault = read_vault(env.key_file)
        except OSError as error:
            raise unusable(env.key_file, error) from None
        if conn is not None:
            refuse_foreign(vault, conn)
        return vault

    def encrypt(self, plain: bytes) -> bytes:
        """Ciphertext under the newest credential key."""
        return fernet_of(self).encrypt(plain)

    def decrypt(self, sealed: bytes) -> bytes:
        """What `encrypt` was given, under any of the keys. Raises Problem when none fits.

        The file is read again before that: another process may have rotated the keys since this one began.
        """
        try:
            return fernet_of(self).decrypt(sealed)
        except InvalidToken:
            pass
        try:
            return fernet_of(self.as_filed()).decrypt(sealed)
        except InvalidToken:
            raise Problem(
                told("a stored Salesforce credential cannot be decrypted"),
                told(
                    "the key file %(file)s is not the one it was stored with; opt-outs are still recorded and kept",
                    file=self.path,
                ),
                told("bring the right key file back (it is in every backup), or connect the org again"),
            ) from None

    def as_filed(self) -> "Vault":
        """The keys as the file holds them now: another process may have rotated them. These when it cannot be read."""
        try:
            return read_vault(self.path)
        except (OSError, Problem):
            return self

    def encrypt_again(self, sealed: bytes) -> bytes:
        """The same secret under the newest key, for a rotation."""
        return self.encrypt(self.decrypt(sealed))

    @property
    def fingerprint(self) -> str:
        """Says whether two installations or a backup have the same subject key; tells nothing about it."""
        return sha256(b"optsync subject key\0" + self.subject_key).hexdigest()[:16]

    def rotate(self, seams: Seams) -> "Vault":
        """A new credential key in front of the old ones, written to the file; the old ones still decrypt.

        The other keys stay; those of links have a rotation of their own.
        """
        fresh = new_vault(self.path, seams)
        rotated = replace(self, credential_keys=fresh.credential_keys + self.credential_keys)
        replace_file(self.path, as_text(rotated))
        return rotated

    def rotate_links(self, seams: Seams) -> "Vault":
        """A new key for unsubscribe links in front of the old ones, which read the links in old mailboxes for ever.

        Web servers of this host know it with the next request. On other hosts it must be in the key file before a link
        made with it is opened there.
        """
        rotated = replace(self, link_keys=new_vault(self.path, seams).link_keys + self.link_keys)
        replace_file(self.path, as_text(rotated))
        return rotated


def fernet_of(vault: Vault) -> MultiFernet:
    """Encrypts with the newest credential key and decrypts with any."""
    return MultiFernet([Fernet(key) for key in vault.credential_keys])


def new_vault(path: Path, seams: Seams) -> Vault:
    """Fresh keys, not yet written."""
    return Vault(
        path=path,
        credential_keys=(urlsafe_b64encode(seams.token_bytes(KEY_BYTES)),),
        subject_key=seams.token_bytes(KEY_BYTES),
        django_secret_keys=(seams.token_bytes(KEY_BYTES).hex(),),
        link_keys=(seams.token_bytes(KEY_BYTES),),
    )


def as_text(vault: Vault) -> str:
    """The file's content."""
    content = {
        "format": FORMAT,
        "credential_keys": [key.decode() for key in vault.credential_keys],
        "subject_key": urlsafe_b64encode(vault.subject_key).decode(),
        "django_secret_keys": list(vault.django_secret_keys),
        "link_keys": [urlsafe_b64encode(key).decode() for key in vault.link_keys],
    }
    return json.dumps(content, indent=1) + "\n"


def read_vault(path: Path) -> Vault:
    """The keys in a file. Raises OSError, or Problem when others may read it or it is damaged."""
    with path.open(encoding="utf-8") as file:
        refuse_readable(path, os.fstat(file.fileno()))
        try:
            return from_text(path, file.read())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Problem(
                f"the key file {path} is damaged",
                "credentials cannot be decrypted and people in events cannot be named; nothing was started",
                "bring it back from a backup; do not delete it, a new one would not fit the database",
            ) from None


def from_text(path: Path, text: str) -> Vault:
    """The keys in a text. Raises ValueError, KeyError, TypeError or AttributeError when it is damaged."""
    content: dict[str, Any] = json.loads(text)
    vault = Vault(
        path=path,
        credential_keys=tuple(key.encode() for key in content["credential_keys"]),
        subject_key=urlsafe_b64decode(content["subject_key"]),
        django_secret_keys=tuple(str(key) for key in content["django_secret_keys"]),
        link_keys=tuple(urlsafe_b64decode(key) for key in content["link_keys"]),
    )
    fixed = (*(urlsafe_b64decode(key) for key in vault.credential_keys), vault.subject_key, *vault.link_keys)
    lists = (vault.credential_keys, vault.django_secret_keys, vault.link_keys)
    if content["format"] != FORMAT or not all(lists) or any(len(key) != KEY_BYTES for key in fixed):
        raise ValueError("not a key file")
    return vault


def write_once(path: Path, text: str) -> None:
    """Makes the file with all of its content, or leaves the one that another process made in the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = written_draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    sync_folder(path.parent)


def replace_file(path: Path, text: str) -> None:
    """Puts new content in the file's place at once."""
    written_draft(path, text).replace(path)
    sync_folder(path.parent)


def written_draft(path: Path, text: str) -> Path:
    """The content in a file beside, 0600 and on disk."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def sync_folder(folder: Path) -> None:
    """Makes a new name in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_beside_data(env: Environment) -> None:
    """Raises Problem when the key file lies in the data folder: one copy would carry both."""
    if env.key_file.resolve().is_relative_to(env.data_dir.resolve()):
        raise Problem(
            f"the key file {env.key_file} lies inside the data folder",
            "whoever copies the data would get the key with it; nothing was started",
            "set OPTSYNC_KEY_FILE to a place elsewhere and move the file there if it exists",
            exit_code=2,
        )


def refuse_lost(path: Path, conn: Connection) -> None:
    """Raises Problem when events name people by the key that should be in the file: a new one would not know them."""
    row = conn.execute("SELECT EXISTS (SELECT FROM event)").fetchone()
    if row == (True,):
        raise Problem(
            f"the key file {path} is missing, and the database was written with it",
            "a new key could name nobody in the events and decrypt no credential; nothing was started",
            "bring it back (it is in every backup), or point OPTSYNC_KEY_FILE at it",
        )


def refuse_foreign(vault: Vault, conn: Connection) -> None:
    """Raises Problem when the database's events were written with another subject key; the first key is remembered."""
    known = conn.execute("SELECT to_regclass('subject_key')").fetchone()
    if known == (None,):
        return  # not migrated yet: nothing is recorded
    row = conn.execute("SELECT fingerprint FROM subject_key").fetchone()
    if row != (vault.fingerprint,):
        conn.execute(
            "INSERT INTO subject_key (fingerprint) VALUES (%s) ON CONFLICT (only_row) DO UPDATE"
            " SET fingerprint = EXCLUDED.fingerprint WHERE NOT EXISTS (SELECT FROM event)",
            [vault.fingerprint],
        )
        row = conn.execute("SELECT fingerprint FROM subject_key").fetchone()
    if row != (vault.fingerprint,):
        raise foreign(vault)


def foreign(vault: Vault) -> Problem:
    """The events of the database were written with another subject key."""
    return Problem(
        f"the key file {vault.path} belongs to another database",
        "people in the events could not be named, and erased people would be mailed again; nothing was started",
        "bring the right key file back (it is in every backup), or point OPTSYNC_KEY_FILE at it",
    )


def refuse_readable(path: Path, found: os.stat_result) -> None:
    """Raises Problem when other users may read or change the file, or one of them owns it."""
    if stat.S_IMODE(found.st_mode) & 0o077 or found.st_uid not in {os.geteuid(), 0}:
        raise Problem(
            f"the key file {path} can be read or changed by other users",
            "they could decrypt the Salesforce credentials; nothing was started",
            f"make it yours alone: chmod 600 {path}",
        )


def unusable(path: Path, error: OSError) -> Problem:
    """The key file cannot be read or made."""
    return Problem(
        f"the key file {path} cannot be used: {error.strerror or error}",
        "credentials can neither be stored nor read; nothing was started",
        "let this user read and write there, or choose another place with OPTSYNC_KEY_FILE",
    )
