"""What all launches share."""

import launching
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all workers of a test run."""
    return launching.shared_folder(tmp_path_factory)
