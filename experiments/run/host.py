"""Work on the host beside the devices, one core a call: models of scikit-learn, many resamples of patients."""

import concurrent.futures
import os
from collections.abc import Callable, Iterator
from typing import Any

from threadpoolctl import threadpool_limits


def side_by_side(function: Callable[..., Any], each: dict[Any, tuple]) -> Iterator[tuple[Any, Any]]:
    """Name by name `function(*arguments)`, computed on all cores from this call on, one core a call.

    Boosting of some hundred rows is too little for several threads: on a busy machine, where they wait for one another,
    it took 10 to 60 times as long with two threads as with one.
    """

    def on_one_core(arguments):
        with threadpool_limits(1, user_api="openmp"):  # Of the calling thread only.
            return function(*arguments)

    pool = concurrent.futures.ThreadPoolExecutor(os.cpu_count())
    futures = {name: pool.submit(on_one_core, arguments) for name, arguments in each.items()}
    pool.shutdown(wait=False)
    return ((name, future.result()) for name, future in futures.items())
