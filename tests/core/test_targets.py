"""The switch x field matrix of rules 2, row by row."""

import pytest

from optsync.core.targets import Choice, FieldRole, Policy, read_fields, write_fields

NONE: frozenset[FieldRole] = frozenset()
EMAIL = frozenset({FieldRole.EMAIL})
CUSTOM = frozenset({FieldRole.CUSTOM})
BOTH = EMAIL | CUSTOM

MATRIX = [
    # switch, choice, read both -> written, read
    (False, Choice.EMAIL, False, EMAIL, NONE),
    (False, Choice.EMAIL, True, EMAIL, NONE),
    (False, Choice.SALES, False, EMAIL, NONE),
    (False, Choice.SALES, True, EMAIL, NONE),
    (False, Choice.BOTH, False, EMAIL, NONE),
    (False, Choice.BOTH, True, EMAIL, NONE),
    (True, Choice.EMAIL, False, EMAIL, EMAIL),
    (True, Choice.EMAIL, True, EMAIL, BOTH),
    (True, Choice.SALES, False, CUSTOM, CUSTOM),
    (True, Choice.SALES, True, CUSTOM, BOTH),
    (True, Choice.BOTH, False, BOTH, BOTH),
    (True, Choice.BOTH, True, BOTH, BOTH),
]


@pytest.mark.parametrize(("switch_on", "choice", "read_both", "written", "read"), MATRIX)
def test_r08_the_switch_and_the_field_choice_decide_what_is_written_and_read(
    switch_on: bool, choice: Choice, read_both: bool, written: frozenset[FieldRole], read: frozenset[FieldRole]
) -> None:
    policy = Policy(switch_on, choice, read_both)
    assert write_fields(policy) == written
    assert read_fields(policy) == read


def test_the_matrix_is_complete() -> None:
    assert len({row[:3] for row in MATRIX}) == len(MATRIX) == 2 * len(Choice) * 2


def test_r01_the_switch_is_off_and_the_field_is_email_opt_out_by_default() -> None:
    assert Policy() == Policy(switch_on=False, choice=Choice.EMAIL, read_both=False)
