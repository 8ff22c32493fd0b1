"""Placeholder."""


def write(workdir):
    return None


def summary(workdir):
    return ""
