"""Prepares the process: devices, and the cache of compiled programs. The only file that touches its environment."""

import errno
import os
import pathlib
import stat
import tempfile
import warnings

from absl import flags, logging

from data_pipelines.tfds_cache import default_cache_dir

_CPU_DEVICES = flags.DEFINE_integer(
    "cpu_devices", None, "XLA devices to make of the CPU. By default one per core.", lower_bound=1, upper_bound=1024
)
_COMPILATION_CACHE = flags.DEFINE_bool("compilation_cache", True, "Keep compiled programs in the user's cache folder.")

# One single-threaded XLA device per core beats one device with all cores by 1.6 times for the small matrices of these
# networks (design: 0.76 against 1.2 ms a step and member).
_CPU_FLAGS = "--xla_cpu_multi_thread_eigen=false"
# A program that compiles faster is compiled again: to read it would hardly take less.
_LEAST_SECONDS = 0.2
FULL = (errno.ENOSPC, errno.EDQUOT)  # Of a disk or a share of one.


def prepare_process() -> None:
    """Logging, devices and the compilation cache, before JAX looks at them.

    Raises:
      PermissionError: The cache folder is not this user's alone: who can write there can run programs as this user.
    """
    # Orbax and TFDS log their steps, and errors that they raise besides; here a progress bar and one sentence do.
    logging.set_verbosity(logging.FATAL)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "xla_cpu_multi_thread_eigen" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_CPU_FLAGS}".strip()
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    keeps = _COMPILATION_CACHE.value and not os.environ.get("JAX_COMPILATION_CACHE_DIR")
    programs = private_folder(default_cache_dir() / "programs") if keeps else None
    import jax  # Takes a second: nothing above need wait for it.

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jax.config.update("jax_num_cpu_devices", _CPU_DEVICES.value or cores)
    if programs:
        jax.config.update("jax_compilation_cache_dir", str(programs))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _LEAST_SECONDS)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def private_folder(folder: pathlib.Path) -> pathlib.Path:
    """Makes a folder that only this user can read and write, or checks one that is there.

    Raises:
      PermissionError: It cannot be made or written, belongs to another user, or others can write there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        if error.errno in FULL:
            raise
        raise PermissionError(
            f"{folder}: cannot be written ({error.strerror}), and is to hold compiled programs; set XDG_CACHE_HOME to "
            "another folder, or use --nocompilation_cache."
        ) from error
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f"{folder}: holds compiled programs, which run as you, but others can write there; make it yours alone "
            "(chown, chmod 700), set XDG_CACHE_HOME to another folder, or use --nocompilation_cache."
        )
    return folder
