"""Switches for what is not certain about the real thing; each names its open point (salesforce.md 10) or source."""

from dataclasses import dataclass, fields

from practice_org.errors import RefusalError


@dataclass
class Behaviour:
    """Defaults follow the best evidence; tests turn the other way to show that a client bears both."""

    bulk_header_on_every_page: bool = True
    """Open point (a)."""
    all_failed_collection_status: int = 200
    """Open point (b): some orgs answer 400 with the same array."""
    duplicate_id_fails_in_collection: bool = True
    """Open point (c): when true, the second mention of an id fails with DUPLICATE_VALUE."""
    result_pages_next_key: str = "nextRecordsUrl"
    """Open point (d): the table in the documentation spells it nextRecordUrl."""
    update_missing_record_status: int = 404
    """Open point (h): INVALID_CROSS_REFERENCE_KEY on a single PATCH."""
    insufficient_access_status: int = 400
    """Open point (h): INSUFFICIENT_ACCESS_OR_READONLY on a single PATCH; 403 is seen too."""
    failed_trigger_fails_its_chunk: bool = True
    """An uncaught failure refuses all records that went through the trigger together, up to 200 (salesforce.md 5.7)."""
    duplicate_rules_run_on_any_edit: bool = True
    """False: only where the compared field is written (salesforce.md 5.7)."""
    duplicate_result_key: str = "duplicateResult"
    """Recorded answers of versions 48 to 54 spell it duplicateResut."""
    maintenance_refuses_requests: bool = False
    """In read-only mode: true refuses a write as a whole with 503, false each of its records (salesforce.md 5.7)."""
    row_lock_wait_seconds: float = 10.0
    """How long a write waits for rows that another transaction holds (salesforce.md 3.2)."""
    bulk_batch_rows: int = 10_000
    """Rows of a batch of an ingest job; batches run in parallel (salesforce.md 3.2)."""
    bulk_chunk_seconds: float = 0.0
    """How long a batch holds the rows of 200 records, and the Accounts of its Contacts, before it goes on."""
    person_contact_writable: bool = False
    """Open point (g): whether a Person Account's Contact takes a write, or only the Account does."""
    merged_person_contact_has_master: bool = True
    """Whether the Contact of a Person Account that lost a merge points to the survivor's; no recording was found."""
    failed_rows_carry_id: bool = False
    """sf__Id of failed ingest rows: documented since v53, often empty (salesforce.md 3.2)."""
    bulk_query_error_keeps_code: bool = True
    """The code of a refused Bulk query: that of the same REST query, or API_ERROR for all; no recording was found."""
    query_locator_seconds: float = 172_800.0
    """How long further pages can be read: two days, or 15 minutes as older pages say (salesforce.md 2.6)."""
    bulk_page_records: int = 250_000
    """Rows of a result page when the client sets no maxRecords; the real number is the server's choice."""
    bulk_job_seconds: float = 0.0
    """How long a job stays in progress at least."""
    jwt_lifetime_max_seconds: int = 10_000_000_000_000
    """How far in the future `exp` may lie. Salesforce's own command line sends milliseconds and gets in; the
    documentation wants a few minutes (salesforce.md 1.2)."""
    client_credentials_allowed: bool = True
    """False answers "request not supported on this domain", as login.salesforce.com does (salesforce.md 0.13)."""
    app_approved: bool = True
    """False answers the JWT flow with "user hasn't approved this consumer" (salesforce.md 1.4)."""
    sign_in_refusal: str = ""
    """The description of an invalid_grant that the org's policies answer to every sign-in: "ip restricted",
    "inactive user", "inactive organization", "authentication failure", "no client credentials user enabled"
    (salesforce.md 1.4)."""
    session_seconds: float = 7_200.0
    """How long a session lives unused: two hours by default (salesforce.md 1.3)."""
    code_seconds: float = 900.0
    """How long an authorization code can be exchanged: 15 minutes, or 2 as one page says (salesforce.md 1.6)."""
    web_secret_required: bool = True
    """Whether the web-server and refresh flows need the client's secret; apps can go without (salesforce.md 1.6)."""
    pkce_required: bool = False
    """Whether the web-server flow needs a code challenge; an app's setting (salesforce.md 1.6)."""
    denied_error: str = "access_denied"
    """What a refused consent is called; the documentation of the web-server flow prints access-denied."""
    refresh_token_rotates: bool = False
    """Whether each refresh gives a new refresh token and spends the old one; an app's setting (salesforce.md 1.6)."""
    refresh_token_idle_seconds: float = 2_592_000.0
    """How long a refresh token lives unused: 30 days, where the app is limited so (salesforce.md 1.6)."""
    revoke_unknown_error: str = "unsupported_token_type"
    """How an unknown token is refused when it is revoked; the documentation knows invalid_token, too."""

    package_version_visible: bool = True
    """Whether SubscriberPackageVersion answers for an installed package; in customers' orgs it may not
    (salesforce.md 5.9)."""
    tooling_takes_layouts_back: bool = False
    """Whether Tooling takes a layout back as it showed it. Several clients report that it refuses enumerations in
    platformActionList, summaryLayout and feedLayout, and drop these to get through (salesforce.md 5.9)."""
    layouts_decide_in_professional: bool = True
    """Professional has no field-level security: the layout of our user decides (vendors' help, salesforce.md 5.8)."""
    metadata_refused_status: int = 403
    """Status of INSUFFICIENT_ACCESS when a deployment needs a permission that our user lacks (salesforce.md 5.9)."""
    permission_set_deploy_replaces: bool = True
    """Whether a deployed permission set loses what its file does not name, or keeps it (salesforce.md 5.9)."""
    deploy_seconds: float = 0.0
    """How long a deployment stays Pending or InProgress at least (salesforce.md 5.9)."""
    soap_login_allowed: bool = False
    """Whether SOAP login() gives sessions, up to version 64: new orgs refuse it (salesforce.md 1.7)."""

    def change(self, values: dict[str, object]) -> None:
        """Sets switches by name. Raises RefusalError for an unknown name or a value of another type."""
        known = {item.name: type(getattr(self, item.name)) for item in fields(self)}
        for name, value in values.items():
            if name not in known:
                raise RefusalError("INVALID_FIELD", f"no such switch: {name}; there are: {', '.join(sorted(known))}")
            wanted = known[name]
            if not isinstance(value, wanted) and not (wanted is float and isinstance(value, int)):
                raise RefusalError("INVALID_FIELD", f"{name} must be of type {wanted.__name__}")
            setattr(self, name, wanted(value))
