"""A study's command line, read and checked: any mistake in flags or configuration is one sentence with its flag."""

import contextlib
import re
import sys

from absl import flags
from ml_collections import config_flags

from experiments.run import checks

_HELP = ("--help", "-help", "-h", "--helpshort", "--helpfull")


def define_config(study: str, rules: checks.Rules, file: str, values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flag --config, and those of its fields that are on the command line."""
    with _in_one_sentence(study, rules, values):  # The default variant's fields are looked at here already.
        config_flags.DEFINE_config_file("config", file, "Configuration[:VARIANT].", flag_values=values)


def parse(study: str, rules: checks.Rules, argv: list[str], values: flags.FlagValues = flags.FLAGS) -> list[str]:
    """absl's own parser, and the configuration's check: any mistake is one sentence, with which the process exits."""
    asked = [word for word in argv if word in _HELP]
    with _in_one_sentence(study, rules, values):
        rest = values([word for word in argv if word not in _HELP])
        config = values.config
        _ = config.variant  # A file that could not be loaded says so only when it is looked into.
    if len(rest) > 1:
        sys.exit(f"{study}: {rest[1]!r} is no flag; flags begin with --, as in --config.seeds=3 (--help lists all).")
    if "variant" in config_flags.get_override_values(values["config"]):
        sys.exit(
            f"{study}: --config.variant={config.variant}: is no field to set; name it as in --config=FILE:VARIANT."
        )
    if asked:
        print(help_text(study, rules, values))
        sys.exit()
    with _in_one_sentence(study, rules, values):
        for sentence in checks.violations(config, rules):
            raise ValueError(sentence)
    return rest


def help_text(study: str, rules: checks.Rules, values: flags.FlagValues = flags.FLAGS) -> str:
    """All flags, and all fields of the chosen variant with what they may be."""
    modules = values.flags_by_module_dict().items()
    own = [flag for module, defined in modules if module.startswith("experiments.") for flag in defined]
    lines = [f"{study}: flags, then the fields of the configuration with their values and what these may be."]
    lines += [f"  --{flag.name}: {flag.help}" for flag in own if not flag.name.startswith("config.")]
    for name, value in checks.flat(values.config).items():
        if name != "variant":
            wanted = f": {rules.fields[name].says}" if name in rules.fields else ""
            lines.append(f"  --config.{name}={value}{wanted}")
    return "\n".join(lines)


@contextlib.contextmanager
def _in_one_sentence(study, rules, values):
    try:
        yield
    except (flags.Error, ValueError, AttributeError, KeyError, TypeError, OSError) as error:
        sys.exit(f"{study}: {_sentence(error, rules, values)}")


def _sentence(error, rules, values):
    """A parser's complaint on one line; of a traceback that it quotes only the last line, which says what is wrong."""
    if isinstance(error, (AttributeError, KeyError)):  # What ml_collections says is within one error or two.
        inner = error.args[0]
        name, *rest = str(inner.args[0] if isinstance(inner, KeyError) else inner).splitlines()
        return f"the configuration has no field {name}. {' '.join(rest) or '--help lists its fields.'}"
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith("Traceback") for line in lines):
        return lines[-1].partition(": ")[2] or lines[-1]
    flag = re.match(r"flag --([\w.]+)=(.*?): ", text, re.DOTALL)
    if flag and (wanted := _wanted(flag[1], rules, values)):
        return f"--{flag[1]}={flag[2]}: must be {wanted}."
    return " ".join(lines)


def _wanted(name, rules, values):
    """What a flag's value must be, in words."""
    if name.startswith("config."):
        field = name.removeprefix("config.")
        inner = [known for known in rules.fields if known.startswith(f"{field}.")]
        if inner:
            return f"set field by field, as by --config.{inner[0]}"
        return rules.fields[field].says if field in rules.fields else None
    parser = values[name].parser if name in values else None
    return "true or false" if isinstance(parser, flags.BooleanParser) else getattr(parser, "syntactic_help", None)
