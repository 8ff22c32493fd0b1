"""Which files of the UCR archive a file is, of the four ECG problems that the studies here use."""

import hashlib
import pathlib
import warnings

# SHA-256 of the archive's own .tsv files (UCRArchive_2018), by problem and split.
SHA256 = {
    ("ECG200", "TRAIN"): "bd08b37147ebf205231ad43e02c42dd5c14bc348f4ccc7614f85634c8916bf21",
    ("ECG200", "TEST"): "c8ac02caf98be23c47c044fde026219301ceaf0b2f97bc107bd0cd96330b867c",
    ("ECG5000", "TRAIN"): "df86ac15d7e283e731db6be7865f5004b65bc639014cb8b9753c26e24a9092a1",
    ("ECG5000", "TEST"): "0192997dd1793880633bfb34ae3ad5129c09a8e0f210c469225451b92cdd8548",
    ("ECGFiveDays", "TRAIN"): "e81cc7d1b974324b432ce50bc6e9dac88e3111ffd46dccd1df1e4863e82022c3",
    ("ECGFiveDays", "TEST"): "bb9706f13954be81bf9b47aa6e8634e94f11fdee93237e3c039d8822eef4439f",
    ("TwoLeadECG", "TRAIN"): "63c29e3f7f0411b729c6c90732cb1c1c08f257a7130b15680f484e82d6ed17a8",
    ("TwoLeadECG", "TEST"): "18dd890ee9963869e22b137aa4e54736d2b2384251a20ec831f2dc7620be2f3f",
}
_KNOWN = {checksum: file for file, checksum in SHA256.items()}


def identify(path: pathlib.Path) -> tuple[str, str] | None:
    """The problem and split (`TRAIN` or `TEST`) whose known content a file has, whatever it is called; else None."""
    return _KNOWN.get(hashlib.sha256(path.read_bytes()).hexdigest())


def verify(name: str, train: pathlib.Path, test: pathlib.Path) -> bool | None:
    """Whether a problem's two files have the known content; warns if not. None where none is known.

    Args:
      name: Of the problem.
      train: Its TRAIN file.
      test: Its TEST file.
    """
    if (name, "TRAIN") not in SHA256:
        return None
    others = []
    for path, split in ((train, "TRAIN"), (test, "TEST")):
        found = identify(path)
        if found != (name, split):
            others.append(path.name + (f" (it is {found[0]}'s {found[1]})" if found else ""))
    if others:
        warnings.warn(
            f"{train.parent}: the content of {' and '.join(others)} is not that of the UCR archive's .tsv of 2018;"
            " results may differ from published ones, if only because other distributions round differently.",
            UserWarning,
            stacklevel=3,  # Whoever loads the problem.
        )
    return not others
