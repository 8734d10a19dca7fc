"""The org's edition, and whether the API comes with it (salesforce.md 1.5)."""

from dataclasses import dataclass

from practice_org.errors import RefusalError

WITHOUT_API = ("Team Edition", "Professional Edition")
"""Group and Professional have no API of their own; Salesforce sells it to the latter as an add-on."""
EDITIONS = (*WITHOUT_API, "Enterprise Edition", "Unlimited Edition", "Developer Edition")


@dataclass(frozen=True)
class Edition:
    """An edition under the name that Organization.OrganizationType shows; RefusalError for an unknown one."""

    name: str = "Enterprise Edition"
    api_add_on: bool = False
    sandbox: bool = False

    def __post_init__(self) -> None:
        if self.name not in EDITIONS:
            raise RefusalError("INVALID_FIELD", f"name must be one of {', '.join(EDITIONS)}")

    @property
    def has_api(self) -> bool:
        """Whether any request to the data API is answered."""
        return self.api_add_on or self.name not in WITHOUT_API

    @property
    def by_layout(self) -> bool:
        """Whether there is no field-level security, so that page layouts decide (salesforce.md 5.8)."""
        return self.name in WITHOUT_API

    @property
    def is_production(self) -> bool:
        """Neither a sandbox nor a Developer org: deployments must roll back on error there."""
        return not self.sandbox and self.name != "Developer Edition"
