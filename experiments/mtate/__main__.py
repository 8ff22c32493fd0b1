"""python -m experiments.mtate --config=experiments/configs/mtate.py:VARIANT (see there)."""

# Worker processes of `multiprocessing` import this file again and need nothing of the study.
if __name__ == "__main__":
    from experiments.run import launch

    launch.main("mtate")
