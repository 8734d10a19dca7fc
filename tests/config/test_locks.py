"""What an installation is made from: every package is pinned and hashed, and no file says where to download it."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LOCKS = ["requirements.lock", "requirements-dev.lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_one_version_and_a_hash(name: str) -> None:
    entries = (REPOSITORY / name).read_text().replace("\\\n", " ").splitlines()
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_download_address(name: str) -> None:
    text = (REPOSITORY / name).read_text()
    assert "://" not in text
    assert "index-url" not in text
