"""`optsync connect --web`: consent in a browser, back to this machine, connected."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.conformance.practice.rest import Rest
from tests.conformance.practice.web_flow import decide
from tests.installation import Installation, free_port
from tests.practice import PracticeOrg


def test_a_person_lets_us_in_and_the_org_is_connected(optsync: Installation, tmp_path: Path) -> None:
    port = free_port()
    with PracticeOrg.start(contacts=2, grant_opt_out=True, callback=f"http://localhost:{port}/OauthRedirect") as org:
        file = tmp_path / "app.json"
        known = {name: org.credentials[name] for name in ("login_url", "client_id", "client_secret")}
        file.write_text(json.dumps(known))
        process = optsync.start("connect", "--credentials", str(file), "--web", "--port", str(port), "--json")
        assert process.stderr is not None
        said = "".join(process.stderr.readline() for _ in range(2))
        found = re.search(r"http\S+/services/oauth2/authorize\?\S+", said)
        assert found is not None, said
        rest = Rest(org)
        page = rest.call("GET", found[0].removeprefix(org.credentials["login_url"]))
        back = decide(rest, page).headers["location"]
        stranger = f"http://localhost:{port}/OauthRedirect?state=of-somebody-else&code=x"
        for wrong in (stranger, f"http://localhost:{port}/"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(wrong, timeout=10)
        with urllib.request.urlopen(back, timeout=10) as answer:
            assert b"close this window" in answer.read()
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert json.loads(out)["org"] == org.credentials["org_id"]
        assert "code=" not in err.replace(found[0], "")
        assert optsync.run("sync", "--dry-run").code == 0


def test_a_port_that_is_taken_is_told_with_the_way_out(optsync: Installation, org: PracticeOrg) -> None:
    port = org.url.rpartition(":")[2]
    done = optsync.run("connect", "--credentials", str(org.credentials_file), "--web", "--port", port)
    assert done.code == 1
    assert "--port" in done.error["next"]
