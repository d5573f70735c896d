"""Tables of a batch: one row serves all, other numbers are refused."""

import numpy as np
import pytest

from dcsim.kernels.arrays import named, together
from dcsim.kernels.facts import Model, Plan


def rows(kind, count):
    return np.arange(count * len(kind._fields), dtype=float).reshape(count, len(kind._fields))


def test_columns_have_the_names_of_their_fields():
    table = named(rows(Plan, 2), Plan)
    assert table.dtype.names == Plan._fields
    assert (table["tp"][1], table["pp"][1]) == (len(Plan._fields), len(Plan._fields) + 1)


def test_one_row_serves_all():
    models, plans = together((rows(Model, 1), Model), (rows(Plan, 5), Plan))
    assert (len(models), len(plans)) == (1, 5)


@pytest.mark.parametrize(("models", "plans"), [(2, 3), (1, 0), (0, 2)])
def test_other_numbers_of_rows_are_refused(models, plans):
    with pytest.raises(ValueError, match="Model, Plan must have one row or the same number of rows"):
        together((rows(Model, models), Model), (rows(Plan, plans), Plan))


def test_another_width_is_refused():
    with pytest.raises(ValueError, match=f"Plan has {len(Plan._fields)} columns, not 3"):
        named(np.ones((1, 3)), Plan)
