"""What several files of these tests share."""

import launching
import matplotlib
import pytest
import synthetic_mtate_run
from synthetic_aml_run import write_run

from experiments.mtate import judged
from experiments.report.style import STYLE
from experiments.results.reading import read_workdir


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


@pytest.fixture(scope="session")
def mtate_workdir(tmp_path_factory):
    """A made-up run of the fairness study, for its tables and its page."""
    return synthetic_mtate_run.write_run(tmp_path_factory.mktemp("mtate") / "run")


@pytest.fixture(scope="session")
def mtate_found(mtate_workdir):
    """What that run's evaluation found, indexed."""
    return judged.judged(read_workdir(mtate_workdir))


@pytest.fixture
def page_style():
    """The look of a page's figures."""
    with matplotlib.rc_context(STYLE):
        yield


@pytest.fixture(scope="module")
def no_tfds_cache():
    """TensorFlow Datasets takes seconds to import; tests/data_pipelines/test_challenge2012.py has the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.mtate.sources.default_cache_dir", lambda: None)
        yield
