"""What an installation is made from: every package is pinned and hashed, and no file says where to download it."""

import json
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-clients.lock"]
NPM_LOCK = REPOSITORY / "tests/conformance/clients/package-lock.json"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_one_version_and_a_hash(name: str) -> None:
    entries = (REPOSITORY / name).read_text().replace("\\\n", " ").splitlines()
    assert len(entries) > 5
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_download_address(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert "://" not in text
    assert "index-url" not in text


def test_npms_lock_pins_every_package_and_names_no_download_address() -> None:
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    assert len(packages) > 5
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert not name or package["integrity"].startswith("sha512-"), name
