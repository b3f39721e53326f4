"""The parser's network: labels, joints and the kind of photo from a small picture.

A U-Net of plain residual blocks. Plain convolutions beat depthwise ones on the CPUs it runs on, and
its deepest stage looks at the whole picture, without which a sleeve and a hanging coat are alike.
"""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional

CHANNELS = (16, 32, 64, 112, 160)
# Of `labels`, and of the benchmark's joints.
LABELS, JOINTS = 6, 18


class Conv(nn.Sequential):
    def __init__(self, inputs: int, outputs: int, stride: int = 1, size: int = 3):
        super().__init__(
            nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.first = Conv(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(x + self.second(self.first(x)))


class Overview(nn.Module):
    """Tells every place what the picture as a whole shows."""

    def __init__(self, channels: int):
        super().__init__()
        self.gather = nn.Linear(2 * channels, channels)
        self.give = nn.Linear(channels, 2 * channels)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        whole = torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)
        whole = functional.relu(self.gather(whole))
        gain, offset = self.give(whole)[..., None, None].chunk(2, 1)
        return x * (1 + gain) + offset, whole


class Merge(nn.Module):
    def __init__(self, below: int, beside: int, outputs: int):
        super().__init__()
        self.below = Conv(below, outputs, size=1)
        self.mix = Conv(outputs + beside, outputs)

    def forward(self, x: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        x = functional.interpolate(
            self.below(x), size=beside.shape[2:], mode="bilinear", align_corners=False
        )
        return self.mix(torch.cat([x, beside], 1))


def layout(shares: torch.Tensor) -> torch.Tensor:
    """Returns (N, labels, 4, 3): the lowest terms of every label's cosine transform."""
    height, width = shares.shape[2:]
    steps = torch.arange(4, dtype=shares.dtype, device=shares.device) * math.pi
    rows = (torch.arange(height, dtype=shares.dtype, device=shares.device) + 0.5) / height
    columns = (torch.arange(width, dtype=shares.dtype, device=shares.device) + 0.5) / width
    down = torch.cos(steps[:, None] * rows) / height
    across = torch.cos(columns[:, None] * steps[:3]) / width
    return down @ shares @ across


def posture(joints: torch.Tensor) -> torch.Tensor:
    """Returns (N, 54): x and y of the joints about their middle, and how sure each is."""
    count, number, height, width = joints.shape
    places = joints.flatten(2).softmax(2).reshape(count, number, height, width)
    rows = torch.arange(height, dtype=joints.dtype, device=joints.device)
    columns = torch.arange(width, dtype=joints.dtype, device=joints.device)
    y, x = (places.sum(3) * rows).sum(2), (places.sum(2) * columns).sum(2)
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    spread = (x.square() + y.square()).mean(1, keepdim=True).sqrt() + 1.0
    return torch.cat([x / spread, y / spread, places.amax((2, 3))], 1)


class ParserNetwork(nn.Module):
    """From (N, 3, H, W) sRGB in [0, 1], sides multiples of 32, to four answers.

    labels: (N, 6, H / 2, W / 2) logits. joints: (N, 18, H / 8, W / 8) logits, a softmax over the
    places of each joint. kind, region, view: (N, n) logits.
    """

    def __init__(self, kinds: int, regions: int, views: int):
        super().__init__()
        a, b, c, d, e = CHANNELS
        # Colour, and where in the picture.
        self.stem = Conv(5, a, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(Conv(inputs, outputs, 2), *(Residual(outputs) for _ in range(depth)))
            for inputs, outputs, depth in ((a, b, 1), (b, c, 2), (c, d, 2), (d, e, 2))
        )
        self.overview = Overview(e)
        self.merges = nn.ModuleList(
            (Merge(e, d, d), Merge(d, c, c), Merge(c, b, b), Merge(b, a, a))
        )
        self.refine = Residual(c)
        self.labels = nn.Conv2d(a, LABELS, 3, 1, 1)
        self.joints = nn.Conv2d(c, JOINTS, 3, 1, 1)
        known = e + LABELS * 12 + JOINTS * 3
        self.names = nn.ModuleList(
            nn.Sequential(nn.Dropout(0.2), nn.Linear(known, 96), nn.ReLU(), nn.Linear(96, count))
            for count in (kinds, regions, views)
        )

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        count, _, height, width = image.shape
        rows = torch.linspace(-1, 1, height, dtype=image.dtype, device=image.device)
        columns = torch.linspace(-1, 1, width, dtype=image.dtype, device=image.device)
        rows = rows[None, None, :, None].expand(count, 1, height, width)
        columns = columns[None, None, None].expand(count, 1, height, width)
        x = self.stem(torch.cat([image * 4 - 2, rows, columns], 1))
        levels = []
        for stage in self.stages:
            levels.append(x)
            x = stage(x)
        x, whole = self.overview(x)
        for merge in self.merges[:2]:
            x = merge(x, levels.pop())
        x = self.refine(x)
        joints = self.joints(x)
        for merge in self.merges[2:]:
            x = merge(x, levels.pop())
        logits = self.labels(x)
        # Where labels and joints lie tells kind and view as much as what the picture looks like.
        lies = layout(logits.detach().float().softmax(1)).flatten(1)
        known = torch.cat([whole, lies, posture(joints.detach().float())], 1)
        return (logits, joints, *(name(known) for name in self.names))


class LookNetwork(nn.Module):
    """From (N, 9, H, W), a figure's photo and labels, to logits of kind, region, view, turn."""

    def __init__(self, kinds: int, regions: int, views: int):
        super().__init__()
        widths = (9, 24, 48, 96, 144)
        layers = []
        for depth, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
            layers.append(Conv(inputs, outputs, 2))
            layers += [Residual(outputs) for _ in range(min(depth, 2))]
        self.trunk = nn.Sequential(*layers, Conv(widths[-1], widths[-1], 2))
        # The last is for learning only: sine and cosine of the angle that the figure is turned by.
        self.names = nn.ModuleList(
            nn.Sequential(
                nn.Dropout(0.3), nn.Linear(widths[-1] * 18, 96), nn.ReLU(), nn.Linear(96, n)
            )
            for n in (kinds, regions, views, 2)
        )

    def forward(self, figure: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = self.trunk(figure)
        # What matters lies in places: the neck above, the feet below. A grid of 6 by 3 keeps them.
        height, width = x.shape[2:]
        down = _bands(height, 6, x)
        across = _bands(width, 3, x)
        known = (down @ x @ across.T).flatten(1)
        return tuple(name(known) for name in self.names)


def _bands(length: int, count: int, like: torch.Tensor) -> torch.Tensor:
    """Returns (count, length) weights that average equal, soft-edged parts of a line."""
    places = (torch.arange(length, device=like.device, dtype=like.dtype) + 0.5) / length
    middles = (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count
    weights = torch.relu(1 - (places[None] - middles[:, None]).abs() * count)
    return weights / weights.sum(1, keepdim=True)
