"""Makes optimizers.json: what PyTorch does, step by step, in float64.

    python oracle/optimizers.py

Every case starts from the same weights and sees the same gradients of a task; a penalty's gradient
comes from autograd on its formula. Weights are kept after the first two steps and the last.
"""

import json
import pathlib

import torch

SEED, STEPS, SHAPE = 20200501, 12, (3, 2, 2, 2)
KEPT = (1, 2, STEPS)


def l1(w):
    return w.abs().sum()


def transformed_l1(w):
    return (2 * w.abs() / (1 + w.abs())).sum()


def hoyer(w):
    return w.abs().sum() / w.pow(2).sum().sqrt()


def hoyer_square(w):
    return w.abs().sum() ** 2 / w.pow(2).sum()


def norms(w):
    """Norms of the outputs and of the inputs of a weight [out, in, ...]."""
    taps = w.flatten(2)
    return taps.pow(2).sum((1, 2)).sqrt(), taps.pow(2).sum((0, 2)).sqrt()


def group_lasso(w):
    outputs, inputs = norms(w)
    return outputs.sum() + inputs.sum()


def group_hoyer_square(w):
    outputs, inputs = norms(w)
    return (outputs.sum() ** 2 + inputs.sum() ** 2) / w.pow(2).sum()


PENALTIES = {
    "l1": l1,
    "transformed-l1": transformed_l1,
    "hoyer": hoyer,
    "hoyer-square": hoyer_square,
    "group-lasso": group_lasso,
    "group-hoyer-square": group_hoyer_square,
}

TORCH = {
    "sgd": lambda p, c: torch.optim.SGD(
        p, c["lr"], c["momentum"], nesterov=c.get("nesterov", False), weight_decay=decay(c)
    ),
    "adam": lambda p, c: torch.optim.Adam(
        p, c["lr"], (c["beta1"], c["beta2"]), c["eps"], decay(c)
    ),
    "adamw": lambda p, c: torch.optim.AdamW(
        p, c["lr"], (c["beta1"], c["beta2"]), c["eps"], decay(c)
    ),
    "rmsprop": lambda p, c: torch.optim.RMSprop(
        p, c["lr"], c["beta2"], c["eps"], decay(c), c["momentum"]
    ),
}


def decay(config):
    return config.get("decay", {}).get("weights", 0.0)


def configs():
    """Optimizer as hoyer spells it, penalty, lambda."""
    adam = {"name": "adam", "lr": 0.01, "beta1": 0.9, "beta2": 0.99, "eps": 1e-3}
    sgd = {"name": "sgd", "lr": 0.05, "momentum": 0.0}
    rms = {"name": "rmsprop", "lr": 0.01, "beta2": 0.9, "eps": 1e-2, "momentum": 0.0}
    yield sgd, None, 0.0
    yield sgd | {"momentum": 0.9}, None, 0.0
    yield sgd | {"momentum": 0.9, "decay": {"weights": 0.1}}, None, 0.0
    yield sgd | {"momentum": 0.8, "nesterov": True, "decay": {"weights": 0.1}}, None, 0.0
    yield adam, None, 0.0
    yield adam | {"eps": 1e-8, "beta1": 0.8, "decay": {"weights": 0.1}}, None, 0.0
    yield adam | {"name": "adamw", "decay": {"weights": 0.5}}, None, 0.0
    yield rms, None, 0.0
    yield rms | {"momentum": 0.7, "decay": {"weights": 0.1}}, None, 0.0
    yield adam, "hoyer-square", 0.3
    yield adam | {"name": "adamw", "decay": {"weights": 0.5}}, "hoyer", 0.3
    yield adam | {"decay": {"weights": 0.1}}, "group-hoyer-square", 0.3
    yield rms | {"decay": {"weights": 0.1}}, "transformed-l1", 0.3
    for name in PENALTIES:
        yield sgd | {"momentum": 0.9, "decay": {"weights": 0.1}}, name, 0.02


def run(start, gradients, config, penalty, strength):
    w = torch.nn.Parameter(start.clone())
    optimizer = TORCH[config["name"]]([w], config)
    kept = []
    for step, gradient in enumerate(gradients, 1):
        optimizer.zero_grad()
        if penalty:
            (strength * PENALTIES[penalty](w)).backward()
            w.grad += gradient
        else:
            w.grad = gradient.clone()
        optimizer.step()
        if step in KEPT:
            kept.append(w.detach().flatten().tolist())
    return kept


def clipped(gradients, max_norm):
    p = torch.nn.Parameter(torch.zeros_like(gradients))
    p.grad = gradients.clone()
    norm = torch.nn.utils.clip_grad_norm_([p], max_norm)
    return {"max_norm": max_norm, "norm": norm.item(), "scale": (p.grad / gradients).mean().item()}


def cosine(lr, steps, eta_min):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen


def main():
    torch.set_default_dtype(torch.float64)
    generator = torch.Generator().manual_seed(SEED)
    draw = lambda *shape: torch.randn(*shape, generator=generator).float().double()
    start, gradients = draw(*SHAPE) * 0.5, draw(STEPS, *SHAPE)
    start = start.float().double()
    cases = [
        {
            "config": config,
            "penalty": penalty,
            "lambda": strength,
            "weights": run(start, gradients, config, penalty, strength),
        }
        for config, penalty, strength in configs()
    ]
    golden = {
        "made_by": f"oracle/optimizers.py, torch {torch.__version__}, seed {SEED}",
        "shape": SHAPE,
        "kept": KEPT,
        "start": start.flatten().tolist(),
        "gradients": gradients.flatten(1).tolist(),
        "cases": cases,
        "clip": [clipped(gradients, 1.5), clipped(gradients, 100.0)],
        "cosine": {"lr": 0.1, "to": 0.25, "values": cosine(0.1, 10, 0.025)},
        "std": start.std().item(),
    }
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text(json.dumps(golden, indent=None, separators=(",", ":")).replace("},", "},\n") + "\n")


if __name__ == "__main__":
    main()
