"""Connecting, settings, sync, run, retry, status: the whole way without a worker."""

from pathlib import Path

import pytest

from optsync.config.vault import as_text, read_vault
from optsync.core.problems import Problem
from tests.installation import Installation
from tests.practice import PracticeOrg

EMAIL = "HasOptedOutOfEmail"


def test_connect_tells_the_org_and_what_is_missing(optsync: Installation, org: PracticeOrg) -> None:
    org.grant("Contact", EMAIL, "read")
    done = optsync.run("connect", "--credentials", str(org.credentials_file), "--json")
    assert done.code == 3
    assert "Contact" in done.json()["findings"][0]


def test_disconnect_needs_a_yes_and_connecting_again_pushes_what_was_recorded_meanwhile(
    connected: Installation, org: PracticeOrg
) -> None:
    done = connected.run("disconnect")
    assert (done.code, "waits for a yes" in done.error["error"], "--yes" in done.error["next"]) == (5, True, True)
    done = connected.run("disconnect", "--yes")
    assert (done.code, "its credential is destroyed" in done.out) == (0, True)
    assert connected.run("disconnect", "--yes").code == 4, "there is none any more"
    assert connected.run("unsubscribe", "kept@example.com").code == 0
    assert connected.run("status").code == 4
    assert connected.run("doctor").code == 4
    done = connected.run("connect", "--credentials", str(org.credentials_file), "--json")
    assert (done.code, done.json()["new"]) == (0, False)


def test_r01_the_switch_is_off_by_default_and_sync_says_why_it_does_not_run(connected: Installation) -> None:
    assert connected.run("settings", "--json").json()["sync"] == "off"
    done = connected.run("sync")
    assert done.code == 1
    assert "settings sync on" in done.error["next"]
    assert connected.run("sync", "--dry-run").code == 0


def test_r28_a_setting_needs_a_yes_without_a_terminal(connected: Installation) -> None:
    done = connected.run("settings", "sync", "on")
    assert done.code == 5
    assert done.error["next"].endswith("optsync settings sync on --yes")
    assert "switched on" in done.out
    assert connected.run("settings", "--json").json()["sync"] == "off"
    assert connected.run("settings", "sync", "on", "--yes", "--json").json()["sync"] == "on"


def test_another_hour_is_shown_first_and_keeps_the_zone_unless_it_is_named(connected: Installation) -> None:
    asked = connected.run("settings", "schedule", "21:30", "--zone", "Europe/Berlin")
    assert "starts at 21:30 Europe/Berlin instead of 20:00 America/Los_Angeles" in asked.out
    assert asked.error["next"].endswith("optsync settings schedule 21:30 --zone Europe/Berlin --yes")
    assert connected.run("settings", "schedule", "21:30", "--zone", "Europe/Berlin", "--yes").code == 0
    assert connected.run("settings", "schedule", "9:05", "--yes").code == 0
    now = connected.run("settings", "--json").json()
    assert (now["at"], now["zone"]) == ("09:05", "Europe/Berlin")
    for wrong in ("2000", "24:00", "9", "20:00:30", "21:30+02:00"):
        done = connected.run("settings", "schedule", wrong, "--yes")
        assert (done.code, "HH:MM" in done.error["next"]) == (2, True)


def test_r02_a_missing_sales_field_is_refused(connected: Installation) -> None:
    done = connected.run("settings", "field", "sales", "--yes")
    assert done.code == 1
    assert "Lead" in done.error["error"]


def test_r19_a_sync_by_hand_settles_and_proves_both_ways_without_a_worker(
    connected: Installation, org: PracticeOrg
) -> None:
    ours = org.create("Contact", Email="ours@example.com")
    theirs = org.create("Lead", Email="theirs@example.com", HasOptedOutOfEmail=True)
    connected.run("unsubscribe", "ours@example.com")
    connected.run("settings", "sync", "on", "--yes")
    assert connected.run("sync", "--dry-run", "--json").json()["counts"]["recorded"] == 1
    assert connected.run("sync", "--dry-run", "--exit-code").code == 6
    assert connected.run("sync", "--exit-code").code == 2, "a real run leaves no differences"
    assert connected.run("sync").code == 5, "the first run waits for a go"
    assert not org.record(ours)[EMAIL]
    done = connected.run("sync", "--yes", "--json")
    assert (done.code, done.json()["result"]) == (0, "proved")
    assert connected.run("sync", "--dry-run", "--exit-code").code == 0
    assert org.record(ours)[EMAIL]
    assert org.record(theirs)[EMAIL]
    assert connected.run("check", "theirs@example.com").code == 3
    assert org.spy()["false_writes"] == 0
    assert connected.run("run", "--json").json()["result"] == "proved"
    assert connected.run("run").out.startswith("sync run 1")
    answer = connected.run("status", "--json").json()
    assert (answer["verdict"], answer["agree"], answer["closes"]) == ("in Salesforce", True, True)
    assert answer["swept_at"] < answer["proved_at"], "the age of the last full look is shown"
    assert "ago: every record was read afresh" in connected.run("status").out
    assert connected.run("retry").code == 0


def test_status_is_not_green_while_somebody_is_still_looked_for(connected: Installation) -> None:
    connected.run("unsubscribe", "nobody.knows@example.com")
    answer = connected.run("status", "--json").json()
    assert (answer["verdict"], answer["looked_for"]) == ("looked for", 1)
    assert "1 person is still to be looked for in Salesforce." in connected.run("status").out


def test_status_tells_the_next_run_in_both_zones(connected: Installation) -> None:
    connected.run("settings", "sync", "on", "--yes")
    out = connected.run("status").out
    assert "Next sync" in out
    assert "20:00 P" in out
    assert "your time" in out


def test_who_shows_the_records_and_their_boxes(connected: Installation, org: PracticeOrg) -> None:
    record_id = org.create("Contact", Email="ann@example.com")
    connected.run("unsubscribe", "ann@example.com")
    connected.run("settings", "sync", "on", "--yes")
    connected.run("sync", "--yes")
    out = connected.run("who", "ann@example.com").out
    assert record_id in out
    assert "Email Opt Out: ticked in Salesforce" in out


def test_contract_check_tells_where_the_org_and_the_practice_org_differ(
    connected: Installation, org: PracticeOrg
) -> None:
    done = connected.run("contract-check", "--json")
    assert (done.code, done.json()["left"]) == (0, []), done.err
    org.behaviour(all_failed_collection_status=400)
    done = connected.run("contract-check", "--credentials", str(org.credentials_file))
    assert done.code == 3
    assert "✕ With which status do all fail? 400\n      practice org  200 (open point (b))" in done.out
    assert ", 1 differs, 0 not seen." in done.out


def test_doctor_names_what_is_wrong_and_how_to_fix_it(connected: Installation, org: PracticeOrg) -> None:
    org.grant("Contact", EMAIL, "read")
    done = connected.run("doctor", "--json")
    assert done.code == 1
    (failed,) = [check for check in done.json()["checks"] if check["state"] == "fail"]
    assert "Contact" in failed["title"] + failed["why"]
    assert failed["fix"]


def test_doctor_tells_a_refused_sign_in_as_a_finding(connected: Installation, org: PracticeOrg) -> None:
    org.behaviour(app_approved=False)
    done = connected.run("doctor")
    assert (done.code, done.error) == (1, {}), done.err
    assert "user hasn't approved this consumer: the app is not yet allowed to act for this user" in done.out
    assert "pre-authorise the integration user's permission set" in done.out
    assert "The opt-out fields can be written: skipped, the sign-in failed" in done.out
    assert ", 1 warning, 1 failed." in done.out


def test_doctor_tells_a_key_file_of_another_database_as_a_finding(connected: Installation, tmp_path: Path) -> None:
    connected.run("unsubscribe", "ann@example.com")
    Path(connected.environ["OPTSYNC_KEY_FILE"]).unlink()
    done = connected.run("doctor", "--json")
    (failed,) = [check for check in done.json()["checks"] if check["state"] == "fail"]
    assert (done.code, failed["id"], done.error) == (1, "keys", {}), done.err


def test_keys_rotate_leaves_nothing_under_the_old_key_and_running_processes_go_on(
    connected: Installation, tmp_path: Path
) -> None:
    file = Path(connected.environ["OPTSYNC_KEY_FILE"])
    before = read_vault(file)  # as a process holds it that runs on
    done = connected.run("keys", "rotate", "--json")
    assert (done.code, done.json()["credentials"], done.json()["keys"]) == (0, 1, 2), done.err
    with connected.database.connect() as conn:
        row = conn.execute("SELECT credential, revision FROM connection").fetchone()
        assert row is not None
        assert row[1] == 1, "no worker has to sign in anew"
        assert conn.execute("SELECT count(*) FROM event WHERE kind = 'keys rotated'").fetchone() == (1,)
    old_alone = tmp_path / "old.json"
    old_alone.write_text(as_text(before))
    old_alone.chmod(0o600)
    with pytest.raises(Problem, match="cannot be decrypted"):
        read_vault(old_alone).decrypt(row[0])
    assert b"client_id" in before.decrypt(row[0])
    assert connected.run("sync", "--dry-run").code == 0
    assert connected.run("doctor").code in (0, 3)


def test_sign_in_prints_a_link(optsync: Installation) -> None:
    assert "/sign-in/" in optsync.run("sign-in", "--json").json()["url"]


def test_r13_what_a_run_could_not_tick_is_told_by_cause_with_what_to_do(
    connected: Installation, org: PracticeOrg
) -> None:
    records = [org.create(kind, Email=f"{kind}@example.com") for kind in ("Contact", "Lead")]
    for record_id in records:
        org.fault("reject", code="FIELD_CUSTOM_VALIDATION_EXCEPTION", message="Phone!", records=[record_id], times=None)
    connected.run("unsubscribe", "contact@example.com")
    connected.run("unsubscribe", "lead@example.com")
    connected.run("settings", "sync", "on", "--yes")
    done = connected.run("sync", "--yes")
    assert done.code == 3
    assert "Why: optsync run 1 --rejected     Retry: optsync retry 1" in done.out
    told = connected.run("run", "1", "--rejected")
    assert told.code == 3
    assert "A validation rule blocks the update" in told.out
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION: Phone!" in told.out
    found = connected.run("run", "1", "--rejected", "--json").json()["rejected"]
    assert {one["object"]: (one["waits"], one["records"]) for one in found} == {
        "Contact": (1, records[:1]),
        "Lead": (1, records[1:]),
    }
    org.clear_faults()
    connected.run("retry", "1")
    connected.run("sync")
    assert connected.run("run", "--rejected").out.strip().endswith("Salesforce refused nothing in sync run 2.")
    assert connected.run("run", "1", "--rejected").code == 0
