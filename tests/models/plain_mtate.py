"""MTATE in NumPy float64, one patient and one domain after another, written from the paper's equations.

Padded steps are cut off where the equations run over time steps, and are columns of zeros where U_Q, U_K, U_V ask for
N_t of them.
"""

import numpy as np


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def layer_norm(values, params):
    centered = values - values.mean(-1, keepdims=True)
    return centered / np.sqrt(values.var(-1, keepdims=True) + 1e-5) * params["scale"] + params["bias"]


def multi_head(tokens, params):
    """Eq. 1 to 4, and 12 and 13: the heads' outputs joined and projected, and their weights."""
    outputs, weights = 0, []
    for head in range(params["query"]["kernel"].shape[1]):
        query, key, value = (tokens @ params[name]["kernel"][:, head] for name in ("query", "key", "value"))
        weights.append(softmax(query @ key.T / np.sqrt(query.shape[1])))
        outputs = outputs + weights[-1] @ value @ params["out"]["kernel"][head]
    return outputs, np.array(weights)


def positions(num_steps, num_features):
    encoding = np.zeros((num_steps, num_features))
    for feature in range(num_features):
        wave = np.sin if feature % 2 == 0 else np.cos
        encoding[:, feature] = wave(np.arange(num_steps) / 10000 ** ((feature - feature % 2) / num_features))
    return encoding


def temporal_relevance(x, steps, params):
    """x with 0 at steps that do not exist, to the same."""
    attended, weights = multi_head(x[steps], params["attention"])
    z = np.zeros_like(x)
    z[steps] = layer_norm(attended + x[steps], params["norm"])
    return z, weights


def feature_relevance(z, steps, kept, params, attention=True):
    m, weights = z[:, kept].T, None  # [N_l, N_t]
    if attention:
        attended, weights = multi_head(m, params["attention"])
        norm = {name: value[steps] for name, value in params["attention_norm"].items()}
        normed = np.zeros_like(m)
        normed[:, steps] = layer_norm((attended + m)[:, steps], norm)
        m = normed
    feed = params["feed_forward"]
    transformed = np.maximum(0, m.T @ feed["kernel_1"] + feed["bias_1"]) @ feed["kernel_2"] + feed["bias_2"]
    z = np.zeros((len(z), len(kept)))
    z[steps] = layer_norm(transformed + m.T, params["feed_forward_norm"])[steps]
    return z, weights


def of_domain(params, domain):
    return {k: of_domain(v, domain) if isinstance(v, dict) else v[domain] for k, v in params.items()}


def one_patient(params, kept, x, steps, static, labels, config):
    num_steps, num_features = x.shape
    x = np.where(steps[:, None], x, 0)
    if config.temporal_attention:
        x = np.where(steps[:, None], x + positions(num_steps, num_features), 0)
    rows, losses, logits = [], [], []
    temporal, feature = [[] for _ in range(config.num_blocks)], [[] for _ in range(config.num_blocks)]
    for domain in range(config.num_domains):
        stream = x
        for block in range(config.num_blocks):
            if config.temporal_attention:
                of_block = params[f"temporal_{block}"]
                of_block = of_block if block == 0 else of_domain(of_block, domain)
                stream, weights = temporal_relevance(stream, steps, of_block)
                temporal[block].append(weights)
            of_block = of_domain(params[f"feature_{block}"], domain)
            latent, weights = feature_relevance(stream, steps, kept[domain], of_block, config.feature_attention)
            feature[block].append(weights)
            stream = np.zeros_like(x)
            stream[:, kept[domain]] = latent
        classifier = of_domain(params["domain_classifiers"], domain)
        logit = latent[steps].max(0) @ classifier["kernel"][:, 0] + classifier["bias"]
        p = 1 / (1 + np.exp(-logit))
        y = p if np.isnan(labels[domain]) else labels[domain]
        logits.append(logit)
        losses.append(-y * np.log(p) - (1 - y) * np.log(1 - p))
        rows.append(stream[steps].max(0))
    e = np.array(rows)
    a = np.full(config.num_domains, 1 / config.num_domains)
    if config.representation_attention:
        attention = params["representation_attention"]
        joined = np.concatenate([e, np.array(losses)[:, None]], axis=1)
        a = softmax((np.tanh(joined @ attention["hidden"]["kernel"]) @ attention["score"]["kernel"])[:, 0])
    h = np.concatenate([a @ e, static])
    outcome = (h @ params["outcome_head"]["kernel"] + params["outcome_head"]["bias"])[0]
    return {
        "outcome": outcome,
        "representation": h,
        "domains": np.array(logits),
        "domain_losses": np.array(losses),
        "representation_weights": a,
        "domain_representations": e,
        "temporal_attention": temporal,
        "feature_attention": feature,
    }
