"""The kinds of methods in the fairness study: which stand together in a figure, a table or a claim, in this order.

The names that a configuration can give are in `experiments/configs/mtate.py`, which knows nothing of the study.
"""

from experiments.mtate.published import TABLE_A1

PAPER = (*TABLE_A1, "mtate_unlabelled")
SUMMARIES = ("gradient_boosting", "logistic_regression")  # Of each variable over the window: they see no series.
DOWNSTREAM = ("mtate_gradient_boosting", "mtate_svm", "mtate_random_forest")  # Of MTATE's representation.
FAIR_LSTMS = ("reweighted", "group_dro", "just_train_twice", "laftr", "domain_invariant", "domain_specific")
RELABELLED = ("lstm_group_thresholds", "lstm_threshold_optimizer")  # Other decisions of the LSTM's scores.
WITHOUT_PART = (
    "without_temporal", "without_feature", "without_representation", "without_masking", "without_domain_loss",
    "without_contrastive",
)  # fmt: skip
ABLATIONS = (*WITHOUT_PART, "without_temporal_wider", "without_feature_wider", "without_representation_wider")
LEFT_OPEN = ("domain_loss_gradient", "redrawn_masks")  # What the text leaves open, chosen otherwise.
MASKING = tuple(f"masking_{tenths}" for tenths in range(10))
