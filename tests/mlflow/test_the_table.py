# SPDX-License-Identifier: Apache-2.0
"""The table of differences is true: this stands behind all other tests."""
import pathlib

import pytest

SECONDS = 1


def test_every_difference_is_still_one(both, request):
    if {item.path for item in request.session.items} != set(pathlib.Path(__file__).parent.glob("test_*.py")):
        pytest.skip("only after all other tests")
    assert not both.unmet()
