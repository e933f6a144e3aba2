"""A model with what PyTorch has and numpy jobs lack: a parameter without dimensions, and the
counter of a normalisation, which is a whole number."""

import torch
from torch import nn


class Net(nn.Module):
    """Three numbers to two, normalised and scaled."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.logit_scale = nn.Parameter(torch.tensor(1.5))
        self.linear = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2)

    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        """The two numbers."""
        return self.logit_scale * self.norm(self.linear(numbers))
