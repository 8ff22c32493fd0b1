"""python -m experiments.shapley --config=experiments/configs/shapley.py:VARIANT (see there)."""

# Worker processes of `multiprocessing` import this file again and need nothing of the study: it is imported here.
if __name__ == "__main__":
    from experiments.run import launch
    from experiments.shapley.study import STUDY

    launch.main(STUDY)
