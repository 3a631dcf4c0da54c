"""The table of faults names tests that exist."""

import pytest

from tests.faults.report import named_tests
from tests.faults.rows import QUICK


@pytest.mark.parametrize("row", QUICK)
def test_row_names_tests_that_exist(row: str) -> None:
    for test in QUICK[row][1]:
        assert named_tests(test)


def test_every_row_of_bad_input_has_a_quick_test() -> None:
    assert {f"A{i}" for i in range(1, 22)} <= set(QUICK)
