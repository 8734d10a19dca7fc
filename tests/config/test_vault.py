"""The key file: outside the data, for its owner only, made once, never replaced by a new one in silence."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from optsync import seams
from optsync.config.database import Connection, Database
from optsync.config.environment import Environment
from optsync.config.vault import Vault
from optsync.core.problems import Problem
from optsync.ledger.record import opt_out
from tests.servers import environment


@pytest.fixture
def env(tmp_path: Path) -> Environment:
    return environment(tmp_path)


def load(env: Environment) -> Vault:
    return Vault.load_or_create(env, seams.real())


def test_the_key_file_is_made_once_for_its_owner_only_and_then_the_same(env: Environment) -> None:
    first, second = load(env), load(env)
    assert first == second
    assert env.key_file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in env.key_file.parent.iterdir()] == ["key.json"]


def test_sixteen_first_starts_at_once_agree_on_one_key(env: Environment) -> None:
    script = "import sys; from pathlib import Path; from optsync import seams\n"
    script += "from optsync.config.vault import new_vault, read_vault, write_once, as_text\n"
    script += "path = Path(sys.argv[1]); write_once(path, as_text(new_vault(path, seams.real())))\n"
    script += "print(read_vault(path).fingerprint)"

    def start(_: int) -> str:
        command = [sys.executable, "-c", script, str(env.key_file)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(start, range(16)))) == 1


def test_what_is_encrypted_can_be_decrypted_and_does_not_show(env: Environment) -> None:
    vault = load(env)
    sealed = vault.encrypt(b"client secret")
    assert vault.decrypt(sealed) == b"client secret"
    assert b"client secret" not in sealed


def test_after_a_rotation_old_secrets_still_work_and_the_other_keys_stay(env: Environment) -> None:
    before = load(env)
    sealed = before.encrypt(b"secret")
    rotated = before.rotate(seams.real())
    assert load(env) == rotated
    assert rotated.decrypt(sealed) == b"secret"
    again = rotated.encrypt_again(sealed)
    assert before.decrypt(again) == b"secret", "a process that began before reads the file again"
    without_the_old_one = replace(rotated, credential_keys=rotated.credential_keys[:1])
    assert without_the_old_one.decrypt(again) == b"secret"
    assert rotated == replace(before, credential_keys=rotated.credential_keys)
    env.key_file.unlink()
    with pytest.raises(Problem, match="cannot be decrypted"):
        before.decrypt(again)


def test_links_get_a_new_key_and_the_old_ones_stay(env: Environment) -> None:
    before = load(env)
    rotated = before.rotate_links(seams.real())
    assert load(env) == rotated == replace(before, link_keys=rotated.link_keys)
    assert rotated.link_keys[1:] == before.link_keys
    assert rotated.link_keys[0] not in before.link_keys


def test_a_vault_whose_file_went_away_still_decrypts(env: Environment) -> None:
    vault = load(env)
    sealed = vault.encrypt(b"secret")
    env.key_file.unlink()
    assert vault.decrypt(sealed) == b"secret"


def test_a_key_file_in_the_data_folder_is_refused(env: Environment) -> None:
    inside = environment(env.data_dir.parent, key_file=env.data_dir / "keys" / "key.json")
    with pytest.raises(Problem, match="inside the data folder"):
        load(inside)
    assert not env.data_dir.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_may_read_or_write_is_refused(env: Environment, mode: int) -> None:
    load(env)
    env.key_file.chmod(mode)
    with pytest.raises(Problem, match="other users") as caught:
        load(env)
    assert "chmod 600" in caught.value.next


@pytest.mark.parametrize("content", ["", "{}", "[]", "not json", '{"format": 1}'])
def test_a_damaged_key_file_is_refused_and_not_replaced(env: Environment, content: str) -> None:
    load(env)
    env.key_file.write_text(content)
    with pytest.raises(Problem, match="damaged"):
        load(env)
    assert env.key_file.read_text() == content


def test_a_shortened_subject_key_is_noticed(env: Environment) -> None:
    load(env)
    content = json.loads(env.key_file.read_text())
    env.key_file.write_text(json.dumps(content | {"subject_key": content["subject_key"][:8]}))
    with pytest.raises(Problem, match="damaged"):
        load(env)


def test_a_place_where_no_file_can_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Problem, match="cannot be used"):
        load(environment(tmp_path, key_file=tmp_path / "file" / "key.json"))


def test_printing_a_vault_shows_no_key(env: Environment) -> None:
    vault = load(env)
    secrets = [*vault.django_secret_keys, vault.credential_keys[0].decode(), vault.subject_key.hex()]
    assert not any(secret in repr(vault) for secret in [*secrets, repr(vault.subject_key)])


def test_a_lost_key_file_is_not_replaced_once_the_database_holds_events(
    env: Environment, database: Database, conn: Connection
) -> None:
    vault = Vault.load_or_create(env, seams.real(), conn)
    opt_out(conn, vault.subject_key, "ann@example.com", "manual")
    env.key_file.unlink()
    with pytest.raises(Problem, match="missing"):
        Vault.load_or_create(env, seams.real(), conn)
    assert not env.key_file.exists()


def test_a_key_file_of_another_database_is_refused_once_events_exist(
    env: Environment, database: Database, conn: Connection
) -> None:
    Vault.load_or_create(env, seams.real(), conn)
    env.key_file.unlink()
    vault = Vault.load_or_create(env, seams.real(), conn)  # nothing depended on the first one
    opt_out(conn, vault.subject_key, "ann@example.com", "manual")
    assert Vault.load_or_create(env, seams.real(), conn).subject_key == vault.subject_key
    vault.rotate(seams.real())
    assert Vault.load_or_create(env, seams.real(), conn).subject_key == vault.subject_key, "a rotation keeps it"
    env.key_file.unlink()
    load(env)  # another installation's key in the same place
    with pytest.raises(Problem, match="belongs to another database"):
        Vault.load_or_create(env, seams.real(), conn)
