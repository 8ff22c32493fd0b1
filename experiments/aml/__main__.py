"""python -m experiments.aml --config=experiments/configs/aml.py:VARIANT (see there)."""

# Worker processes of `multiprocessing` import this file again and need nothing of the study: it is imported here.
if __name__ == "__main__":
    from experiments.aml.study import STUDY
    from experiments.run import launch

    launch.main(STUDY)
