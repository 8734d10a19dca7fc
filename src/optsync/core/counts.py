"""The balance of one org: two identities that hold at every commit (rules 5.6)."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Balance:
    """Counts from two independent sides: the first five from opt-outs and records, the last four from marks."""

    recorded: int = 0
    linked: int = 0
    not_linked: int = 0
    pairs: int = 0
    no_address: int = 0
    confirmed: int = 0
    owed: int = 0
    held: int = 0
    parked: int = 0

    def closes(self) -> bool:
        """Whether recorded = linked + not linked, and pairs + no address = confirmed + owed + held + parked."""
        people_close = self.recorded == self.linked + self.not_linked
        return people_close and self.pairs + self.no_address == self.confirmed + self.owed + self.held + self.parked

    @property
    def agree(self) -> bool:
        """Both sides agree: the balance closes and no box is owed, held or parked."""
        return self.closes() and self.owed == self.held == self.parked == 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name, for --json."""
        return asdict(self)
