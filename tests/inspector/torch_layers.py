"""Every class of torch.nn, and ways to make an instance of each."""

import importlib
import inspect
import pkgutil
import warnings
from collections import OrderedDict
from functools import partial

import torch
from torch import nn


def classes_of_torch_nn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module in pkgutil.walk_packages(nn.__path__, "torch.nn."):
            importlib.import_module(module.name)
    waiting, found = [nn.Module], set()
    while waiting:
        cls = waiting.pop()
        if cls not in found:
            found.add(cls)
            waiting.extend(cls.__subclasses__())
    return sorted((cls for cls in found if cls.__module__.startswith("torch.nn.")), key=path_of)


def path_of(cls):
    return f"{cls.__module__}.{cls.__qualname__}"


CLASSES = classes_of_torch_nn()

IMPOSSIBLE = {
    "torch.nn.cpp.ModuleWrapper": "wraps a module written in C++, and torch comes with none",
    "torch.nn.parallel.DistributedDataParallelCPU": "needs a group of several processes",
    "torch.nn.parallel.distributed.DistributedDataParallel": "needs a group of several processes",
    **dict.fromkeys(
        (
            *(f"torch.nn.modules.padding._{kind}PadNd" for kind in ("Circular", "Constant", "Reflection", "Replication")),
            *(f"torch.nn.modules.pooling._{kind}Nd" for kind in ("AvgPool", "MaxUnpool")),
        ),
        "is a base whose subclasses set what its text says: torch can't print it either",
    ),
}
"""Classes that can't be instantiated here, or not printed by torch, and why."""

BY_NAME = {
    "in_features": 4, "out_features": 3, "in1_features": 2, "in2_features": 3, "num_features": 4, "num_classes": 5,
    "in_channels": 4, "out_channels": 6, "kernel_size": 3, "input_size": 4, "hidden_size": 5, "num_groups": 2,
    "num_channels": 4, "num_embeddings": 7, "embedding_dim": 3, "padding": 2, "value": 0.5, "threshold": 0.1,
    "groups": 2, "upscale_factor": 2, "downscale_factor": 2, "output_size": 3, "norm_type": 2, "size": 3,
    "normalized_shape": (3, 4), "d_model": 8, "nhead": 2, "embed_dim": 8, "num_heads": 2, "dim": 1,
    "unflattened_size": (2, 2), "mode": "LSTM", "n_classes": 10, "cutoffs": [2, 5],
}  # fmt: skip
"""What a required argument of that name is given."""

CONV = [{"bias": False}, {"padding": 1}, {"padding": "same"}, {"padding": "valid"}, {"dilation": 2}, {"groups": 2},
        {"padding_mode": "circular", "padding": 1}, {"stride": 2, "bias": False}]  # fmt: skip
TRANSPOSED = [{"bias": False}, {"padding": 1}, {"dilation": 2}, {"groups": 2}, {"stride": 2, "output_padding": 1}]
NORM = [{"affine": False}, {"track_running_stats": False}, {"momentum": None}, {"eps": 1e-3, "momentum": 0.01}]
POOL = [{"stride": 2}, {"padding": 1}, {"ceil_mode": True}]
RECURRENT = [{"num_layers": 2, "dropout": 0.5}, {"bias": False}, {"batch_first": True}, {"bidirectional": True}]
INPLACE = [{"inplace": True}]

VARIANTS = {
    **dict.fromkeys(["Conv1d", "Conv3d", "LazyConv1d", "LazyConv2d", "LazyConv3d"], CONV),
    **{f"{lazy}ConvTranspose{n}d": TRANSPOSED for lazy in ("", "Lazy") for n in (1, 2, 3)},
    **{f"{lazy}{kind}Norm{n}d": NORM for lazy in ("", "Lazy") for kind in ("Batch", "Instance") for n in (1, 2, 3)},
    **{f"MaxPool{n}d": [*POOL, {"dilation": 2}, {"return_indices": True}] for n in (1, 2, 3)},
    **{f"AvgPool{n}d": [*POOL, {"count_include_pad": False}] for n in (1, 2, 3)},
    **{f"LPPool{n}d": [{"stride": 2}, {"ceil_mode": True}, {"norm_type": 1.5}] for n in (1, 2, 3)},
    **{f"MaxUnpool{n}d": [{"stride": 2}, {"padding": 1}] for n in (1, 2, 3)},
    **dict.fromkeys(["ReLU", "ReLU6", "SiLU", "Mish", "SELU", "Hardswish", "Hardsigmoid", "Threshold"], INPLACE),
    "SyncBatchNorm": NORM,
    "Conv2d": [
        *CONV,
        {"kernel_size": (3, 5), "stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)},
        {"padding_mode": "reflect", "padding": (0, 1)},
        {"in_channels": 2**30, "device": "meta"},
    ],
    "AdaptiveAvgPool2d": [{"output_size": (None, 3)}, {"output_size": 1}, {"output_size": (1, 1)}],
    "AdaptiveMaxPool2d": [{"output_size": (None, 3), "return_indices": True}],
    "FractionalMaxPool2d": [{"output_size": 2}, {"output_ratio": 0.5}],
    "FractionalMaxPool3d": [{"output_size": 2}, {"output_ratio": 0.5}],
    "ZeroPad2d": [{"padding": (1, 2, 3, 4)}],
    "ConstantPad1d": [{"padding": (1, 2), "value": -1}],
    "LSTM": [
        *RECURRENT,
        {"proj_size": 2},
        {"num_layers": 3, "bias": False, "batch_first": True, "dropout": 0.25, "bidirectional": True, "proj_size": 1},
    ],
    "GRU": RECURRENT,
    "RNN": [*RECURRENT, {"nonlinearity": "relu"}],
    "RNNCell": [{"bias": False}, {"nonlinearity": "relu"}, {"bias": False, "nonlinearity": "relu"}],
    "LSTMCell": [{"bias": False}],
    "GRUCell": [{"bias": False}],
    "Linear": [{"bias": False}, {"in_features": 0}, {"dtype": torch.bfloat16}],
    "LazyLinear": [{"bias": False}],
    "NonDynamicallyQuantizableLinear": [{"bias": False}],
    "Bilinear": [{"bias": False}],
    "LayerNorm": [{"bias": False}, {"elementwise_affine": False}, {"normalized_shape": 5}, {"eps": 0}],
    "GroupNorm": [{"affine": False}, {"eps": 1e-12}, {"bias": False}],
    "RMSNorm": [{"eps": 1e-6}, {"elementwise_affine": False}, {"normalized_shape": [2]}],
    "LocalResponseNorm": [{"alpha": 1e-3, "beta": 0.5, "k": 2}],
    "CrossMapLRN2d": [{"alpha": 1e-3, "beta": 0.5, "k": 2}],
    "Embedding": [
        *({"padding_idx": 0}, {"padding_idx": -1}, {"max_norm": 1.0}, {"norm_type": 1}, {"sparse": True}),
        {"scale_grad_by_freq": True, "norm_type": 3.5},
    ],
    "EmbeddingBag": [
        *({"mode": "sum"}, {"max_norm": 2, "norm_type": 1.5}, {"padding_idx": 2}),
        {"scale_grad_by_freq": True, "include_last_offset": True},
    ],
    "MultiheadAttention": [{"bias": False}, {"add_bias_kv": True}, {"kdim": 4, "vdim": 5}, {"dropout": 0.5}],
    "Transformer": [
        {"num_encoder_layers": 1, "num_decoder_layers": 3},
        {"norm_first": True, "bias": False},
        {"custom_encoder": nn.Identity()},
    ],
    "TransformerEncoderLayer": [{"activation": "gelu"}, {"activation": nn.GELU()}, {"bias": False}],
    "Dropout": [{"p": 0}, {"p": 0.25, "inplace": True}],
    "RReLU": [{"lower": 0.1, "upper": 0.2, "inplace": True}],
    "Hardtanh": [{"min_val": -2, "max_val": 2.5, "inplace": True}],
    "ELU": [{"alpha": 2}, *INPLACE],
    "CELU": [{"alpha": 0.5}, *INPLACE],
    "LeakyReLU": [{"negative_slope": 0.2, "inplace": True}],
    "GELU": [{"approximate": "tanh"}],
    "Softmax": [{"dim": 1}],
    "LogSoftmax": [{"dim": -1}],
    "Softmin": [{"dim": 0}],
    "PReLU": [{"num_parameters": 4}],
    "Softplus": [{"beta": 2, "threshold": 10.5}],
    "Hardshrink": [{"lambd": 1}],
    "Softshrink": [{"lambd": 0}],
    "GLU": [{"dim": 0}],
    "Flatten": [{"start_dim": 0, "end_dim": 2}],
    "Unflatten": [{"unflattened_size": [2, 3]}, {"unflattened_size": torch.Size([2, 5, 5])}],
    "Fold": [{"padding": (1, 0), "stride": 2}],
    "Unfold": [{"dilation": (2, 1)}],
    "Upsample": [
        *({"size": 4}, {"size": (4, 5), "mode": "bilinear"}, {"scale_factor": 2}),
        {"scale_factor": (2.0, 0.5), "mode": "bicubic", "align_corners": True},
    ],
    "UpsamplingNearest2d": [{"size": (3, 4)}, {"scale_factor": 2}],
    "UpsamplingBilinear2d": [{"scale_factor": 1.5}],
    "LinearCrossEntropyLoss": [
        {"bias": True},
        {"ignore_index": 3, "reduction": "sum"},
        {"options": nn.LinearCrossEntropyOptions()},
        {"options": nn.LinearCrossEntropyOptions(acc_dtype=torch.float32)},
    ],
    "CrossEntropyLoss": [{"weight": torch.ones(3)}, {"label_smoothing": 0.1}],
    "TripletMarginWithDistanceLoss": [{"distance_function": nn.CosineSimilarity()}],
    "AdaptiveLogSoftmaxWithLoss": [{"head_bias": True}],
}
"""Arguments besides the required ones: a class is made once without and once with each of these."""


def layer(wider=0):
    return nn.TransformerEncoderLayer(8, 2, 16 + wider)


def linear():
    return nn.Linear(2, 2)


MADE = {
    "Container": [nn.Container, lambda: nn.Container(fc=linear())],
    "Sequential": [
        nn.Sequential,
        lambda: nn.Sequential(linear(), nn.ReLU(), nn.Linear(3, 1, bias=False)),
        lambda: nn.Sequential(linear(), linear(), linear()),
        lambda: nn.Sequential(OrderedDict([("fc", linear()), ("relu", nn.ReLU())])),
        lambda: nn.Sequential(nn.Sequential(nn.Sequential(nn.Identity()), nn.Sequential())),
    ],
    "ModuleList": [
        nn.ModuleList,
        lambda: nn.ModuleList([linear()]),
        lambda: nn.ModuleList([linear(), linear(), linear(), linear()]),
        lambda: nn.ModuleList([linear(), linear(), nn.ReLU(), nn.ReLU(), linear()]),
        lambda: nn.ModuleList([nn.ModuleList([layer(), layer()]) for _ in range(3)]),
        lambda: nn.ModuleList([nn.Sequential(layer(), layer(n // 2)) for n in range(5)]),
        lambda: nn.ModuleList([nn.ReLU(), None, None, nn.ReLU()]),
        lambda: nn.ModuleList([nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU(), nn.ReLU())]),
    ],
    "ModuleDict": [
        nn.ModuleDict,
        lambda: nn.ModuleDict({"conv": nn.Conv2d(1, 2, 3), "pool": nn.MaxPool2d(2), "a b": nn.ReLU()}),
    ],
    "ParameterList": [
        nn.ParameterList,
        lambda: nn.ParameterList([torch.zeros(3, 3)]),
        lambda: nn.ParameterList([torch.zeros(n, 2) for n in range(12)]),
        lambda: nn.ParameterList([torch.zeros(3).bfloat16(), "x", torch.zeros(()), [1], None, {"a": 1}]),
        lambda: nn.ParameterList([nn.Parameter(torch.zeros(2, dtype=torch.int8), requires_grad=False)]),
    ],
    "ParameterDict": [
        nn.ParameterDict,
        lambda: nn.ParameterDict({"weight": torch.zeros(3, 3)}),
        lambda: nn.ParameterDict({"a": torch.zeros(2).half(), "b": 3, "c": torch.zeros(0, dtype=torch.complex64)}),
        lambda: nn.ParameterDict({"training": torch.zeros(2).to(torch.float8_e5m2)}),
        lambda: nn.ParameterDict({"u": nn.Parameter(torch.zeros(1, dtype=torch.uint16), requires_grad=False)}),
    ],
    "DataParallel": [lambda: nn.DataParallel(linear())],
    "TransformerEncoder": [
        lambda: nn.TransformerEncoder(layer(), 3, enable_nested_tensor=False),
        lambda: nn.TransformerEncoder(layer(), 2, norm=nn.LayerNorm(8)),
    ],
    "TransformerDecoder": [lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2), 2, nn.LayerNorm(8))],
    "ParametrizationList": [
        lambda: nn.utils.parametrize.ParametrizationList([nn.Identity(), nn.Identity()], nn.Parameter(torch.eye(2)))
    ],
    "_Orthogonal": [
        lambda: nn.utils.parametrizations._Orthogonal(torch.eye(3), nn.utils.parametrizations._OrthMaps.cayley)
    ],
    "_SpectralNorm": [lambda: nn.utils.parametrizations._SpectralNorm(torch.eye(3))],
    **{
        name: [
            partial(getattr(nn.modules.conv, name), 2, 2, (3,), (1,), (1,), (1,), False, (0,), 1, True, "zeros"),
            partial(getattr(nn.modules.conv, name), 2, 2, (3,), (1,), (0,), (1,), True, (2,), 1, False, "zeros"),
        ]
        for name in ("_ConvNd", "_ConvTransposeNd", "_ConvTransposeMixin")
    },
    "RNNCellBase": [lambda: nn.RNNCellBase(4, 5, False, 4)],
}
"""Classes whose arguments are other modules, or more than their names tell."""


def ways_to_make(cls):
    """Functions that each make an instance of the class."""
    required = {
        name: BY_NAME[name]
        for name, parameter in inspect.signature(cls.__init__).parameters.items()
        if parameter.default is parameter.empty and name in BY_NAME
    }
    if cls.__name__ in ("LSTM", "GRU", "RNN"):
        required = {"input_size": 4, "hidden_size": 5}
    variants = VARIANTS.get(cls.__name__, [])
    if cls.__name__ not in ("Upsample", "FractionalMaxPool2d", "FractionalMaxPool3d"):
        variants = [{}, *variants]
    return MADE.get(cls.__name__) or [partial(cls, **(required | variant)) for variant in variants]
