"""`optsync undo`: asks, says what it did, writes the files for Salesforce."""

from pathlib import Path

from tests.installation import Installation
from tests.practice import PracticeOrg

EMAIL = "HasOptedOutOfEmail"


def test_a_mistaken_data_load_is_taken_back(connected: Installation, org: PracticeOrg, tmp_path: Path) -> None:
    connected.run("settings", "sync", "on", "--yes")
    assert connected.run("sync", "--yes").code == 0
    record = org.create("Contact", Email="ann@example.com", HasOptedOutOfEmail=True)
    run = connected.run("sync", "--json").json()["run_id"]
    assert connected.run("check", "ann@example.com").code == 3
    command = ("undo", str(run), "--reason", "wrong file", "--files", str(tmp_path))
    asked = connected.run(*command)
    assert (asked.code, "unblock 1 people" in asked.error["error"]) == (5, True)
    assert connected.run("check", "ann@example.com").code == 3
    done = connected.run(*command, "--yes", "--json")
    assert done.code == 0, done.err
    assert (done.json()["lifted"], done.json()["stay"]) == (1, 0)
    (file,) = done.json()["files"]
    assert Path(file).read_text() == f"Id,{EMAIL}\n{record},false\n"
    assert connected.run("check", "ann@example.com").code == 0
    assert org.record(record)[EMAIL] is True
    assert org.spy()["false_writes"] == 0
    again = connected.run(*command, "--yes")
    assert (again.code, "undone before" in again.error["error"]) == (1, True)
    assert connected.run("undo", "999", "--reason", "x", "--yes").code == 1
    assert connected.run("undo", str(run), "--yes").code == 2, "a reason is needed"
