"""Two CPU devices, so that every sweep in these tests is spread over devices; strict about silent mistakes."""

import gc
import os
import signal
import tempfile

# Nothing of what is imported and collected is garbage: to look for it takes a second of every process.
gc.disable()

# Most of a test's time goes into compiling small programs: half of it into XLA's fusion emitters, whose place the older
# ones take here, a third into optimising, and a quarter of what is left into splitting programs for more cores.
# `make test-slow` and `make test-real` set the flags of experiments/run/devices.py, so that they run what users run.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)

# What one worker has compiled, the other and later tests need not compile again.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    programs = tempfile.TemporaryDirectory(prefix="jaxfair-test-programs-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = programs.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"

# Two workers share the cores: OpenMP's threads would wait for each other (scikit-learn).
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Tests that a shell starts in the background ignore Ctrl-C, with nohup also the end of the terminal, and so would the
# runs that tests start.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "allow")


def pytest_collection_finish():
    """What was imported and collected stays to the end: the garbage collector need not look at it again and again."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real data sets, for tests marked real_data."""
    if "JAXFAIR_DATA_DIR" not in os.environ:
        pytest.skip("JAXFAIR_DATA_DIR is not set: no real data to test on (BUILD.md)")
    return os.environ["JAXFAIR_DATA_DIR"]
