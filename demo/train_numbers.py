"""`python -m demo.train_numbers --out DIR`: trains the demo's numeric model and writes its model folder.

The task: a signal of 256 samples is the sum of sinusoids and noise; `y` is the log energy of 16 equal bands of its
spectrum, log10(1 + energy / 256) of rfft bins 1 to 128 in groups of eight.
"""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn

from demo.training import prepare, save_model
from inference.runner.architectures import build

SEED = 20261122
SAMPLES, BANDS, TONES = 256, 16, 4
STEPS, ROWS = 1000, 256
LEARNING_RATE = 2e-3
ARGUMENTS = {"sizes": [SAMPLES, 512, 512, BANDS], "activation": "relu"}
SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, SAMPLES]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, BANDS]}],
}


def main() -> None:
    """Train, measure on fresh signals, write the folder."""
    folder, started = prepare(__doc__ or "", SEED), time.monotonic()
    module = build("mlp", ARGUMENTS)
    train(module)
    metrics = {"r2": round(r_squared(module), 4)}
    manifest = {
        "name": "numbers",
        "description": "신호 256개 값의 16개 대역 로그 에너지를 구합니다. (log energies of 16 bands)",
        "task": "tensor",
        "architecture": "mlp",
        "arguments": ARGUMENTS,
        "signature": SIGNATURE,
        "sample": {"x": [[round(math.sin(2 * math.pi * 5 * n / SAMPLES), 6) for n in range(SAMPLES)]]},
        "metrics": metrics,
    }
    save_model(folder, module, manifest)
    print(f"numbers: {metrics}, {time.monotonic() - started:.0f} s", flush=True)


def make_signals(rows: int) -> Tensor:
    """Give signals (rows, 256): four sinusoids of random frequency, phase and strength, and a little noise."""
    time_axis = torch.arange(SAMPLES) / SAMPLES
    frequency = torch.rand(rows, TONES, 1) * 127 + 1
    phase, strength = torch.rand(rows, TONES, 1) * 2 * math.pi, torch.rand(rows, TONES, 1)
    tones = strength * torch.sin(2 * math.pi * frequency * time_axis + phase)
    return tones.sum(1) + 0.02 * torch.randn(rows, SAMPLES)


def band_energies(signals: Tensor) -> Tensor:
    """Give log energies (rows, 16): what the model learns."""
    energy = torch.fft.rfft(signals).abs().square()[:, 1:] / SAMPLES
    return torch.log10(1 + energy.unflatten(1, (BANDS, -1)).sum(2))


def train(module: nn.Module) -> None:
    """Fit the module to signals made anew at each step."""
    optimiser = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for step in range(STEPS):
        signals = make_signals(ROWS)
        loss = nn.functional.mse_loss(module(signals), band_energies(signals))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if (step + 1) % 500 == 0:
            print(f"numbers: step {step + 1}/{STEPS}, loss {loss.item():.4f}", flush=True)


@torch.inference_mode()
def r_squared(module: nn.Module) -> float:
    """Give the share of the variance of fresh signals' energies that the module explains."""
    signals = make_signals(4096)
    wanted = band_energies(signals)
    left = (wanted - module(signals)).square().sum()
    return 1 - (left / (wanted - wanted.mean(0)).square().sum()).item()


if __name__ == "__main__":
    main()
