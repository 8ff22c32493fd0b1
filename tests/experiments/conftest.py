"""What all launches share."""

import launching
import pytest
from synthetic_aml_run import write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all workers of a test run."""
    return launching.shared_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    """A simulated run of the age study, for its page."""
    return write_run(tmp_path_factory.mktemp("aml") / "run")


@pytest.fixture
def copy(workdir, tmp_path):
    """A copy of the run's tables that a test may damage."""
    for path in workdir.iterdir():
        if path.suffix in (".parquet", ".json"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path
