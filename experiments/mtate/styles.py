"""The fairness study's methods: what each is called and how it is drawn, in the order of the page."""

from collections.abc import Mapping

from experiments.report import style as palette
from experiments.report.style import Style, own_style

METHODS: Mapping[str, Style] = {
    # The paper's.
    "transformer": Style("Transformer", palette.SKY, "^"),
    "lstm": Style("LSTM", palette.BLUE, "o"),
    "retain": Style("RETAIN", palette.ORANGE, "v"),
    "dann": Style("DANN*", palette.PURPLE, "X"),
    "mtate": Style("MTATE", palette.VERMILION, "D"),
    "mtate_unlabelled": Style("MTATE without domain labels", "#F0A37A", "d"),
    # What a reader of today expects.
    "gru_d": Style("GRU-D", palette.GREEN, "s"),
    "logistic_regression": Style("Logistic regression", palette.GREY, "<"),
    "gradient_boosting": Style("Gradient boosting", palette.BLACK, "h"),
    "reweighted": Style("LSTM, reweighted", "#4C9AC8", "1", "lstm"),
    "group_dro": Style("LSTM, GroupDRO", "#1B4F72", "2", "lstm"),
    "just_train_twice": Style("LSTM, just train twice", "#7FB3D5", "3", "lstm"),
    "laftr": Style("LSTM, LAFTR", "#6C3483", "4", "lstm"),
    "domain_invariant": Style("LSTM, domain-invariant", "#8C6D1F", "P", "lstm"),
    "domain_specific": Style("LSTM, domain-specific", "#B9770E", "*", "lstm"),
    "lstm_group_thresholds": Style("LSTM, thresholds by group", "#2E86C1", "8", "lstm"),
    "lstm_threshold_optimizer": Style("LSTM, threshold optimizer", "#154360", "H", "lstm"),
    "mtate_gradient_boosting": Style("MTATE's representation, boosting", palette.LIGHT_GREY, "h", "mtate"),
    "mtate_svm": Style("MTATE's representation, SVM", palette.LIGHT_GREY, "p", "mtate"),
    "mtate_random_forest": Style("MTATE's representation, random forest", palette.LIGHT_GREY, ">", "mtate"),
    "optimum": Style("Known optimum", palette.INK, "+"),
    # Table 3.
    "without_temporal": Style("without temporal attention", palette.BLUE, "o", "mtate"),
    "without_temporal_wider": Style("without temporal attention, as many parameters", palette.BLUE, "s", "mtate"),
    "without_feature": Style("without feature attention", palette.GREEN, "o", "mtate"),
    "without_feature_wider": Style("without feature attention, as many parameters", palette.GREEN, "s", "mtate"),
    "without_representation": Style("without representation attention", palette.ORANGE, "o", "mtate"),
    "without_representation_wider": Style(
        "without representation attention, as many parameters", palette.ORANGE, "s", "mtate"
    ),
    "without_masking": Style("without masking", palette.PURPLE, "o", "mtate"),
    "without_domain_loss": Style("without domain loss", palette.SKY, "o", "mtate"),
    "without_contrastive": Style("without contrastive loss", palette.BLACK, "o", "mtate"),
    "domain_loss_gradient": Style("outcome's gradient through domain losses", palette.GREY, "s", "mtate"),
    "redrawn_masks": Style("masks drawn anew every step", palette.GREY, "D", "mtate"),
    **{f"masking_{tenths}": Style(f"masking rate 0.{tenths}", palette.VERMILION, "D") for tenths in range(10)},
}


def style(method: str) -> Style:
    """The method's style; one that this page does not know keeps its own name."""
    return METHODS.get(method, own_style(method))


def in_order(methods) -> list[str]:
    """Methods in the order of the page."""
    known = [name for name in METHODS if name in set(methods)]
    return known + sorted(set(methods) - set(known))
