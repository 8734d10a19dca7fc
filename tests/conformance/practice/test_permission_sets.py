"""Who may do what: profiles, permission sets, their rows and assignments are the access itself (salesforce.md 5.8)."""

from tests.conformance.practice.rest import Rest

BOX = "HasOptedOutOfEmail"


def test_our_user_its_profile_and_its_licence_can_be_asked_for(rest: Rest) -> None:
    text = (
        "SELECT IsActive, Profile.Name, Profile.UserLicense.Name, Profile.PermissionsViewSetup FROM User "
        f"WHERE Username = '{rest.org.credentials['username']}'"
    )
    (row,) = rest.query(text).json["records"] or rest.query(text.partition(" WHERE")[0] + " LIMIT 1").json["records"]
    assert row["IsActive"] is True
    assert row["Profile"]["Name"] == "Integration"
    assert row["Profile"]["UserLicense"]["Name"] == "Salesforce"
    assert row["Profile"]["PermissionsViewSetup"] is True


def test_field_permissions_say_what_each_profile_gives(rest: Rest) -> None:
    text = f"SELECT Parent.Profile.Name, PermissionsEdit FROM FieldPermissions WHERE Field = 'Lead.{BOX}'"
    rest.org.grant("Lead", BOX, "read")
    (row,) = rest.query(text).json["records"]
    assert (row["Parent"]["Profile"]["Name"], row["PermissionsEdit"]) == ("Integration", False)
    rest.org.grant("Lead", BOX, "absent")
    assert rest.query(text).json["totalSize"] == 0
