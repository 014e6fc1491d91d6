"""The classes of `torch.nn`, and whether one is a subclass of another, without torch.

The table is torch 2.13's, with the few classes that older files name and torch no longer has.
"""

from __future__ import annotations

from functools import cache, lru_cache

CLASSES: dict[str, dict[str, str]] = {
    "torch.nn.modules.activation": {
        "Module": (
            "CELU ELU GELU GLU Hardshrink Hardsigmoid Hardswish Hardtanh LeakyReLU LogSigmoid LogSoftmax Mish "
            "MultiheadAttention PReLU RReLU ReLU SELU SiLU Sigmoid Softmax Softmax2d Softmin Softplus Softshrink "
            "Softsign Tanh Tanhshrink Threshold"
        ),
        "Hardtanh": "ReLU6",
    },
    "torch.nn.modules.adaptive": {
        "Module": "AdaptiveLogSoftmaxWithLoss",
    },
    "torch.nn.modules.batchnorm": {
        "_BatchNorm": "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm",
        "_LazyNormBase _BatchNorm": "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
        "_NormBase": "_BatchNorm",
        "LazyModuleMixin _NormBase": "_LazyNormBase",
        "Module": "_NormBase",
    },
    "torch.nn.modules.channelshuffle": {
        "Module": "ChannelShuffle",
    },
    "torch.nn.modules.container": {
        "Module": "Container ModuleDict ModuleList ParameterDict ParameterList Sequential",
    },
    "torch.nn.modules.conv": {
        "_ConvNd": "Conv1d Conv2d Conv3d _ConvTransposeNd",
        "_ConvTransposeNd": "ConvTranspose1d ConvTranspose2d ConvTranspose3d _ConvTransposeMixin",
        "Conv1d": "LazyConv1d",
        "Conv2d": "LazyConv2d",
        "Conv3d": "LazyConv3d",
        "ConvTranspose1d": "LazyConvTranspose1d",
        "ConvTranspose2d": "LazyConvTranspose2d",
        "ConvTranspose3d": "LazyConvTranspose3d",
        "Module": "_ConvNd",
    },
    "torch.nn.modules.distance": {
        "Module": "CosineSimilarity PairwiseDistance",
    },
    "torch.nn.modules.dropout": {
        "_DropoutNd": "AlphaDropout Dropout Dropout1d Dropout2d Dropout3d FeatureAlphaDropout",
        "Module": "_DropoutNd",
    },
    "torch.nn.modules.flatten": {
        "Module": "Flatten Unflatten",
    },
    "torch.nn.modules.fold": {
        "Module": "Fold Unfold",
    },
    "torch.nn.modules.instancenorm": {
        "_InstanceNorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d",
        "_LazyNormBase _InstanceNorm": "LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
        "_NormBase": "_InstanceNorm",
    },
    "torch.nn.modules.lazy": {
        "": "LazyModuleMixin",
    },
    "torch.nn.modules.linear": {
        "Module": "Bilinear Identity Linear",
        "LazyModuleMixin Linear": "LazyLinear",
        "Linear": "NonDynamicallyQuantizableLinear _LinearWithBias",
    },
    "torch.nn.modules.loss": {
        "_WeightedLoss": (
            "BCELoss CrossEntropyLoss LinearCrossEntropyLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss"
        ),
        "_Loss": (
            "BCEWithLogitsLoss CTCLoss CosineEmbeddingLoss GaussianNLLLoss HingeEmbeddingLoss HuberLoss KLDivLoss "
            "L1Loss MSELoss MarginRankingLoss MultiLabelMarginLoss PoissonNLLLoss SmoothL1Loss SoftMarginLoss "
            "TripletMarginLoss TripletMarginWithDistanceLoss _WeightedLoss"
        ),
        "NLLLoss": "NLLLoss2d",
        "Module": "_Loss",
    },
    "torch.nn.modules.module": {
        "": "Module",
    },
    "torch.nn.modules.normalization": {
        "Module": "CrossMapLRN2d GroupNorm LayerNorm LocalResponseNorm RMSNorm",
    },
    "torch.nn.modules.padding": {
        "_CircularPadNd": "CircularPad1d CircularPad2d CircularPad3d",
        "_ConstantPadNd": "ConstantPad1d ConstantPad2d ConstantPad3d",
        "_ReflectionPadNd": "ReflectionPad1d ReflectionPad2d ReflectionPad3d",
        "_ReplicationPadNd": "ReplicationPad1d ReplicationPad2d ReplicationPad3d",
        "ConstantPad1d": "ZeroPad1d",
        "ConstantPad2d": "ZeroPad2d",
        "ConstantPad3d": "ZeroPad3d",
        "Module": "_CircularPadNd _ConstantPadNd _ReflectionPadNd _ReplicationPadNd",
    },
    "torch.nn.modules.pixelshuffle": {
        "Module": "PixelShuffle PixelUnshuffle",
    },
    "torch.nn.modules.pooling": {
        "_AdaptiveAvgPoolNd": "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d",
        "_AdaptiveMaxPoolNd": "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d",
        "_AvgPoolNd": "AvgPool1d AvgPool2d AvgPool3d",
        "Module": (
            "FractionalMaxPool2d FractionalMaxPool3d _AdaptiveAvgPoolNd _AdaptiveMaxPoolNd _AvgPoolNd _LPPoolNd "
            "_MaxPoolNd _MaxUnpoolNd"
        ),
        "_LPPoolNd": "LPPool1d LPPool2d LPPool3d",
        "_MaxPoolNd": "MaxPool1d MaxPool2d MaxPool3d",
        "_MaxUnpoolNd": "MaxUnpool1d MaxUnpool2d MaxUnpool3d",
    },
    "torch.nn.modules.rnn": {
        "RNNBase": "GRU LSTM RNN",
        "RNNCellBase": "GRUCell LSTMCell RNNCell",
        "Module": "RNNBase RNNCellBase",
    },
    "torch.nn.modules.sparse": {
        "Module": "Embedding EmbeddingBag",
    },
    "torch.nn.modules.transformer": {
        "Module": "Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder TransformerEncoderLayer",
    },
    "torch.nn.modules.upsampling": {
        "Module": "Upsample",
        "Upsample": "UpsamplingBilinear2d UpsamplingNearest2d",
    },
    "torch.nn.parallel": {
        "DistributedDataParallel": "DistributedDataParallelCPU",
    },
    "torch.nn.parallel.data_parallel": {
        "Module": "DataParallel",
    },
    "torch.nn.parallel.distributed": {
        "Module": "DistributedDataParallel",
    },
    "torch.nn.utils.parametrizations": {
        "Module": "_Orthogonal _SpectralNorm _WeightNorm",
    },
    "torch.nn.utils.parametrize": {
        "ModuleList": "ParametrizationList",
    },
}
"""The modules of `torch.nn`, in each the base classes (one or several), and of each the classes derived from it."""

LONGEST = 1000
"""Characters of a class name that is looked up; a longer one is no class of torch's."""


def is_subclass(type: str, class_name: str) -> bool:
    """Whether the class that a file calls `type` is `class_name` or, within `torch.nn`, derived from it.

    `class_name` may be short (`Linear`), as one writes it (`nn.Linear`, `torch.nn.Linear`) or whole
    (`torch.nn.modules.linear.Linear`, `__main__.Net`). Every class of `torch.nn` is a `Module`; of a class that is not
    torch's only its own name is known.
    """
    if class_name == type:
        return True
    if class_name.startswith("nn."):
        class_name = f"torch.{class_name}"
    return any(_is_named(path, class_name) for path in lineage(type))


def is_class(path: str) -> bool:
    """Whether it is the path of a class of `torch.nn`, to the letter."""
    return path in _hierarchy()[0]


def lineage(type: str) -> tuple[str, ...]:
    """The paths of a class and of the classes of `torch.nn` that it is derived from, in Python's order of lookup."""
    return _lineage(type) if len(type) <= LONGEST else (type,)


@lru_cache(4096)
def _lineage(type: str) -> tuple[str, ...]:
    parents, paths = _hierarchy()
    found: list[str] = []
    waiting = [type]
    while waiting:
        path = waiting.pop(0)
        # A class that several others are derived from comes after all of them, as in Python.
        if path in found:
            found.remove(path)
        found.append(path)
        short = _short(path)
        if path in parents:
            waiting.extend(parents[path])
        elif path.startswith("torch.nn.utils.parametrize.Parametrized"):
            # register_parametrization makes such a class of the layer's own.
            waiting.extend(paths[name] for name in (short.removeprefix("Parametrized"),) if name in paths)
        elif path.startswith("torch.nn.modules.") and short in paths:
            # Older torch had some classes in other files.
            waiting.append(paths[short])
    return tuple(found)


@cache
def _hierarchy() -> tuple[dict[str, list[str]], dict[str, str]]:
    """The base classes of each class, by its path, and the paths by short names."""
    paths = {
        name: f"{module}.{name}" for module, bases in CLASSES.items() for names in bases.values() for name in names.split()
    }
    parents = {
        paths[name]: [paths[base] for base in bases.split()]
        for families in CLASSES.values()
        for bases, names in families.items()
        for name in names.split()
    }
    return parents, paths


def _short(path: str) -> str:
    return path.rpartition(".")[2]


def _is_named(path: str, class_name: str) -> bool:
    """Whether a name means the class at `path`; torch's own go by the shorter names too that their packages export."""
    package, _, short = class_name.rpartition(".")
    if short != _short(path) or not package:
        return short == _short(path)
    known = path in _hierarchy()[0] and f"{package}.".startswith("torch.nn.")
    return path == class_name or (known and path.startswith(f"{package}."))
