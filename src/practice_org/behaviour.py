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
    converted_lead_writable: bool = False
    """Some orgs accept the write on the dead Lead (salesforce.md 0.12)."""
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
