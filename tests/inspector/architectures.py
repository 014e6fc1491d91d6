"""Published architectures, small: run as a script in a folder, it saves each whole, and what torch says of each.

The classes so exist in no other process: whoever opens the files has nothing but the files.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import spectral_norm, weight_norm


class BasicBlock(nn.Module):
    """ResNet's block of two convolutions (He et al., 2015)."""

    expansion = 1

    def __init__(self, planes, width, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(planes, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = shortcut(planes, width, stride)
        self.stride = stride

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """ResNet's block that narrows and widens."""

    expansion = 4

    def __init__(self, planes, width, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(planes, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(planes, 4 * width, stride)
        self.stride = stride

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(y)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def shortcut(planes, width, stride):
    if stride == 1 and planes == width:
        return None
    return nn.Sequential(nn.Conv2d(planes, width, 1, stride, bias=False), nn.BatchNorm2d(width))


class ResNet(nn.Module):
    def __init__(self, block, counts, classes=10):
        super().__init__()
        self.inplanes = 8
        self.conv1 = nn.Conv2d(3, 8, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        for number, count in enumerate(counts):
            setattr(self, f"layer{number + 1}", self.stage(block, 8 << number, count, 1 + (number > 0)))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(self.inplanes, classes)

    def stage(self, block, width, count, stride):
        blocks = []
        for number in range(count):
            blocks.append(block(self.inplanes, width, stride if number == 0 else 1))
            self.inplanes = width * block.expansion
        return nn.Sequential(*blocks)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for name in ("layer1", "layer2", "layer3", "layer4"):
            x = getattr(self, name)(x)
        return self.fc(torch.flatten(self.avgpool(x), 1))


@dataclass
class Config:
    n_layer: int = 3
    n_head: int = 2
    n_embd: int = 16
    block_size: int = 12
    vocab_size: int = 40
    dropout: float = 0.1


class Conv1D(nn.Module):
    """GPT-2's linear layer, its weight the other way round."""

    def __init__(self, width, planes):
        super().__init__()
        self.nf = width
        self.weight = nn.Parameter(torch.randn(planes, width) * 0.02)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x):
        return x @ self.weight + self.bias


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.register_buffer("bias", torch.ones(config.block_size, config.block_size).tril().bool(), persistent=False)
        self.register_buffer("masked_bias", torch.tensor(-1e4))
        self.n_head = config.n_head
        self.c_attn = Conv1D(3 * config.n_embd, config.n_embd)
        self.c_proj = Conv1D(config.n_embd, config.n_embd)
        self.attn_dropout = nn.Dropout(config.dropout)
        self.resid_dropout = nn.Dropout(config.dropout)

    def forward(self, x):
        q, k, v = (part.unflatten(2, (self.n_head, -1)).transpose(1, 2) for part in self.c_attn(x).chunk(3, 2))
        weights = (q @ k.transpose(2, 3)).masked_fill(~self.bias[: x.shape[1], : x.shape[1]], self.masked_bias)
        return self.resid_dropout(self.c_proj((self.attn_dropout(weights.softmax(3)) @ v).transpose(1, 2).flatten(2)))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd, eps=1e-5)
        self.attn = Attention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd, eps=1e-5)
        self.mlp = nn.ModuleDict(
            {"c_fc": Conv1D(4 * config.n_embd, config.n_embd), "c_proj": Conv1D(config.n_embd, 4 * config.n_embd)}
        )
        self.act = nn.GELU(approximate="tanh")

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp["c_proj"](self.act(self.mlp["c_fc"](self.ln_2(x))))


class GPT(nn.Module):
    """A language model whose output layer is its embedding (Radford et al., 2019)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.drop = nn.Dropout(config.dropout)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.wte.weight

    def forward(self, tokens):
        x = self.drop(self.wte(tokens) + self.wpe.weight[: tokens.shape[1]])
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class CRF(nn.Module):
    def __init__(self, tags):
        super().__init__()
        self.start_transitions = nn.Parameter(torch.randn(tags))
        self.end_transitions = nn.Parameter(torch.randn(tags))
        self.transitions = nn.Parameter(torch.randn(tags, tags))
        self.num_tags = tags


class Tagger(nn.Module):
    """A tagger of characters, words and tag transitions (Ma and Hovy, 2016), with a weight_norm of old."""

    def __init__(self):
        super().__init__()
        self.word_to_ix = {"<pad>": 0, "<unk>": 1, "the": 2, "dog": 3}
        self.tag_to_ix = {"DET": 0, "NN": 1, "V": 2}
        self.word_embeddings = nn.Embedding(20, 6, padding_idx=0)
        self.char_embeddings = nn.Embedding(30, 4, padding_idx=0)
        self.char_cnn = weight_norm(nn.Conv1d(4, 5, 3, padding=1))
        self.lstm = nn.LSTM(11, 7, num_layers=2, batch_first=True, dropout=0.3, bidirectional=True)
        self.hidden2tag = nn.Linear(14, 3)
        self.crf = CRF(3)
        self.hidden = (torch.zeros(4, 1, 7), torch.zeros(4, 1, 7))

    def forward(self, words, characters):
        spelled = self.char_cnn(self.char_embeddings(characters).transpose(1, 2)).transpose(1, 2)
        states, _ = self.lstm(torch.cat([self.word_embeddings(words), spelled], 2), self.hidden)
        return self.hidden2tag(states)


class BufferList(nn.Module):
    def __init__(self, buffers):
        super().__init__()
        for number, buffer in enumerate(buffers):
            self.register_buffer(str(number), buffer)


class AnchorGenerator(nn.Module):
    def __init__(self, sizes, ratios, strides):
        super().__init__()
        self.strides = strides
        root = torch.tensor(ratios).sqrt()
        self.cell_anchors = BufferList([torch.stack([-s * root, -s / root, s * root, s / root], 1) / 2 for s in sizes])


class BoxCoder:
    """What is no module."""

    def __init__(self, weights):
        self.weights = weights
        self.mean = torch.zeros(4)


class Scale(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(value))


class RetinaHead(nn.Module):
    def __init__(self, width, anchors, classes):
        super().__init__()
        tower = [
            part for _ in range(2) for part in (nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(2, width), nn.ReLU())
        ]
        self.cls_subnet = nn.Sequential(*tower)
        self.bbox_subnet = nn.Sequential(*copy.deepcopy(tower))
        self.cls_score = nn.Conv2d(width, anchors * classes, 3, padding=1)
        self.bbox_pred = nn.Conv2d(width, anchors * 4, 3, padding=1)
        self.scales = nn.ModuleList([Scale(1.0) for _ in range(3)])


class Detector(nn.Module):
    """One stage, a pyramid, anchors (Lin et al., 2017)."""

    def __init__(self):
        super().__init__()
        self.backbone = nn.ModuleDict(
            {"stem": nn.Conv2d(3, 8, 3, 2), "res2": BasicBlock(8, 8), "res3": BasicBlock(8, 16, 2)}
        )
        self.fpn_lateral = nn.ModuleList([nn.Conv2d(width, 8, 1) for width in (8, 8, 16)])
        self.fpn_output = nn.ModuleList([nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)])
        self.head = RetinaHead(8, 3, 4)
        self.anchor_generator = AnchorGenerator([32, 64, 128], [0.5, 1.0, 2.0], [4, 8, 16])
        self.box_coder = BoxCoder((1.0, 1.0, 1.0, 1.0))
        self.register_buffer("pixel_mean", torch.tensor([103.5, 116.3, 123.7]).view(-1, 1, 1), persistent=False)
        self.register_buffer("class_weights", torch.ones(4))
        self.register_buffer("thing_colors", None)
        self.names = ["person", "bicycle", "car", "dog"]
        self.nms_thresh, self.score_thresh = 0.5, 0.05
        self.requires_grad_(True)
        self.backbone["stem"].requires_grad_(False)


class Generator(nn.Module):
    def __init__(self, noise=6, width=4):
        super().__init__()
        self.main = nn.Sequential(
            nn.ConvTranspose2d(noise, width * 2, 4, bias=False),
            nn.BatchNorm2d(width * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(width * 2, width, 4, 2, 1, bias=False),
            nn.BatchNorm2d(width, track_running_stats=False),
            nn.ReLU(True),
            nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, noise):
        return self.main(noise)


class Discriminator(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.main = nn.Sequential(
            spectral_norm(nn.Conv2d(3, width, 4, 2, 1, bias=False)),
            nn.LeakyReLU(0.2, inplace=True),
            spectral_norm(nn.Conv2d(width, 1, 4, 2, 1), n_power_iterations=2),
            nn.Sigmoid(),
        )

    def forward(self, picture):
        return self.main(picture)


class GAN(nn.Module):
    """Two networks against each other (Radford et al., 2015; Miyato et al., 2018), and the slow copy of one."""

    def __init__(self):
        super().__init__()
        self.generator = Generator()
        self.discriminator = Discriminator()
        self.ema = copy.deepcopy(self.generator).requires_grad_(False)
        self.fixed_noise = torch.randn(2, 6, 1, 1)
        self.losses = {"g": [0.7, 0.6], "d": [1.2]}

    def forward(self, noise):
        return self.discriminator(F.interpolate(self.generator(noise), 16))


MODELS = {
    "resnet": lambda: ResNet(BasicBlock, [2, 1, 1, 1]),
    "resnet of bottlenecks": lambda: ResNet(Bottleneck, [1, 2, 1, 1]),
    "transformer": lambda: GPT(Config()),
    "tagger": Tagger,
    "detector": Detector,
    "gan": GAN,
    "resnet in parallel": lambda: nn.DataParallel(ResNet(BasicBlock, [1, 1, 1, 1])),
}

PICTURES = torch.ones(2, 3, 64, 64)

USES = {
    "resnet": (PICTURES,),
    "resnet of bottlenecks": (PICTURES,),
    "transformer": (torch.arange(10)[None],),
    "tagger": (torch.tensor([[2, 3]]), torch.tensor([[4, 5]])),
    "gan": (torch.ones(2, 6, 1, 1),),
    "resnet in parallel": (PICTURES,),
}
"""What each is given once before it is saved, so that it is as training leaves it."""


def said_of(model):
    """What torch says of a module, in plain data."""
    return {
        "modules": [
            (name, f"{type(module).__module__}.{type(module).__qualname__}") for name, module in model.named_modules()
        ],
        "texts": [str(module) for module in model.modules()],
        "counts": [sum(parameter.numel() for parameter in module.parameters()) for module in model.modules()],
        "parameters": list(model.named_parameters()),
        "buffers": list(model.named_buffers()),
        "state_dict": list(model.state_dict().items()),
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, make in MODELS.items():
        torch.manual_seed(0)
        model = make()
        if name in USES:
            model(*USES[name])
        torch.save(model, folder / f"{name}.pt")
        torch.save(model, folder / f"{name} of old.pt", _use_new_zipfile_serialization=False)
        torch.save(said_of(model), folder / f"{name}.said")
