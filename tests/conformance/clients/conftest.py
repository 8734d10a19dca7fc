"""One org by HTTP and one by HTTPS, as clients that nobody here wrote meet them."""

from collections.abc import Iterator

import pytest

from tests.certificates import make_certificate
from tests.practice import PracticeOrg


@pytest.fixture(scope="session")
def https_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PracticeOrg]:
    """As `practice_server`, but by HTTPS with a certificate of its own, which clients are told to trust."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("certificate"))
    people = {"leads": 30, "contacts": 40, "opted_out": 10, "seed": 7, "grant_opt_out": True, "package": True}
    with PracticeOrg.start(https="127.0.0.1:0", cert=certificate, key=key, **people) as server:
        yield server


@pytest.fixture
def https_org(https_server: PracticeOrg, monkeypatch: pytest.MonkeyPatch) -> PracticeOrg:
    """The HTTPS org as it was started; Python's and Node's clients trust its certificate."""
    https_server.reset()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(https_server.certificate))
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", str(https_server.certificate))
    return https_server


@pytest.fixture(params=["http", "https"])
def either_org(request: pytest.FixtureRequest) -> PracticeOrg:
    """The test runs once with each."""
    org: PracticeOrg = request.getfixturevalue("org" if request.param == "http" else "https_org")
    return org
