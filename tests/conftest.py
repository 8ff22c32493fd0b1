"""Two CPU devices, so that every sweep in these tests is spread over devices; strict about silent mistakes."""

import os

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "allow")


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real data sets, for tests marked real_data."""
    if "JAXFAIR_DATA_DIR" not in os.environ:
        pytest.skip("JAXFAIR_DATA_DIR is not set: no real data to test on (BUILD.md)")
    return os.environ["JAXFAIR_DATA_DIR"]
