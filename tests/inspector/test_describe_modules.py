"""`print(model)` says what torch prints, for every class of torch.nn, from the file alone."""

import pytest
import torch
from torch import nn

import inspector
from inspector import describe
from inspector.nodes import Module, Tensor
from inspector.pickles.objects import Global
from tests.inspector.torch_layers import CLASSES, IMPOSSIBLE, MADE, VARIANTS, path_of, ways_to_make

pytestmark = pytest.mark.filterwarnings("ignore")


def described(model, path):
    torch.save(model, path)
    with inspector.open(str(path)) as checkpoint:
        return str(checkpoint)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if path_of(cls) not in IMPOSSIBLE], ids=path_of)
def test_a_layer_of_torch_prints_as_in_torch(cls, tmp_path):
    for make in ways_to_make(cls):
        instance = make()
        assert described(instance, tmp_path / "model.pt") == str(instance)


def test_nothing_in_the_tables_is_for_a_class_that_torch_does_not_have():
    assert set(IMPOSSIBLE) <= {path_of(cls) for cls in CLASSES}
    assert set(VARIANTS) | set(MADE) <= {cls.__name__ for cls in CLASSES}


class Block(nn.Module):
    """A class of a user's, which says nothing of itself."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, 2)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.drop = None
        self.scale = nn.Parameter(torch.ones(width))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.blocks = nn.ModuleList([Block(8) for _ in range(6)] + [Block(16)])
        self.heads = nn.ModuleDict({"a": nn.Linear(8, 2), "b": nn.ModuleList([nn.ReLU()])})
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.embedding.weight
        self.again = self.blocks[0]
        self.register_buffer("mask", torch.ones(3))
        self.register_module("absent", None)
        self.settings = {"width": 8, "layer": torch.ones(2)}
        self.more = [nn.Linear(1, 1)]


def test_a_model_of_a_users_classes_prints_as_in_torch(tmp_path):
    assert described(Net(), tmp_path / "model.pt") == str(Net())


def test_each_layer_of_a_model_prints_as_in_torch(tmp_path):
    model = Net()
    torch.save(model, tmp_path / "model.pt")
    with inspector.open(str(tmp_path / "model.pt")) as checkpoint:
        assert [str(layer) for layer in checkpoint.modules()] == [str(layer) for layer in model.modules()]


class Scaled(nn.Linear):
    """A user's class derived from one of torch's."""


def test_a_users_class_derived_from_torchs_says_nothing_of_itself(tmp_path):
    assert described(Scaled(2, 3), tmp_path / "model.pt") == "Scaled()"


@pytest.mark.parametrize(
    ("instance", "missing"),
    [
        (nn.Conv2d(1, 2, 3), "padding_mode"),
        (nn.ConvTranspose1d(1, 2, 3), "padding_mode"),
        (nn.BatchNorm2d(3), "track_running_stats"),
        (nn.GELU(), "approximate"),
        (nn.LSTM(2, 3), "proj_size"),
        (nn.AvgPool2d(2), "padding"),
        (nn.Softmax(), "dim"),
        (nn.EmbeddingBag(3, 4), "padding_idx"),
        (nn.LeakyReLU(), "inplace"),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_what_a_file_of_older_torch_lacks_has_its_default(instance, missing, tmp_path):
    expected = str(instance)
    del instance.__dict__[missing]
    assert described(instance, tmp_path / "model.pt") == expected


def as_nodes(live, key="", parent=None):
    """The nodes that a reader would make of a module, for one that torch refuses to save."""
    cls = type(live)
    made = Module(path_of(cls), "layer", key, parent)
    made.attributes.update((name, value) for name, value in live.__dict__.items() if not name.startswith("_"))
    for name, tensor in live._parameters.items():
        if tensor is not None:
            made.children.append(Tensor("float32", tuple(tensor.shape), tensor.stride(), None, key=name, parent=made))
    made.children.extend(as_nodes(module, name, made) for name, module in live._modules.items())
    return made


def test_a_parametrised_layer_prints_as_in_torch():
    model = nn.Sequential(nn.Linear(3, 3), nn.Conv2d(1, 2, 3))
    nn.utils.parametrizations.orthogonal(model[0])
    nn.utils.parametrizations.weight_norm(model[1])
    assert str(as_nodes(model)) == str(model)


def test_what_is_no_module_prints_in_the_same_form(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    checkpoint = {"model": model, "weights": model.state_dict(), "epoch": 3, "note": "a\x1bb", 7: [1, 2], "empty": {}}
    assert described(checkpoint, tmp_path / "model.pt") == (
        "dict(\n"
        "  (model): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=True)\n"
        "    (1): ReLU()\n"
        "  )\n"
        "  (weights): OrderedDict(\n"
        "    (0): (\n"
        "      (weight): tensor [3, 2] float32\n"
        "      (bias): tensor [3] float32\n"
        "    )\n"
        "    (1): ()\n"
        "  )\n"
        "  (epoch): 3\n"
        "  (note): 'a\\x1bb'\n"
        "  (7): [1, 2]\n"
        "  (empty): dict()\n"
        ")"
    )


def test_a_module_that_contains_itself_is_printed_once(tmp_path):
    model = nn.Sequential(nn.ReLU())
    model.add_module("me", model)
    assert described({"net": model}, tmp_path / "model.pt") == (
        "dict(\n  (net): Sequential(\n    (0): ReLU()\n    (me): → net\n  )\n)"
    )


def layer_node(type, children=(), **attributes):
    made = Module(type, "layer")
    made.attributes.update(attributes)
    for key, child in enumerate(children):
        child.key, child.parent = str(key), made
        made.children.append(child)
    return made


def test_a_module_of_endless_depth_is_cut_and_says_so():
    root = node = layer_node("torch.nn.modules.container.ModuleList")
    for _ in range(300_000):
        child = layer_node("torch.nn.modules.container.ModuleList")
        child.key, child.parent = "0", node
        node.children.append(child)
        node = child
    text = describe.module(root)
    assert len(text) < 1.2 * describe.MOST_CHARACTERS
    assert text.splitlines()[-1].startswith("... (cut after ")
    assert text.splitlines()[1] == "  (0): ModuleList("


def test_a_module_of_endless_width_is_cut_and_says_so():
    relu = "torch.nn.modules.activation.ReLU"
    root = layer_node("torch.nn.modules.container.ModuleList", [layer_node(relu) for _ in range(3000)])
    assert describe.module(root, most_lines=1000) == ("ModuleList(\n  (0-999): 1000 x ReLU()\n... (cut after 1001 lines)")
    root.type = "torch.nn.modules.container.Sequential"
    assert len(describe.module(root, most_lines=1000).splitlines()) == 1002


def test_names_and_attributes_can_not_reach_the_terminal():
    conv = layer_node(
        "torch.nn.modules.conv.Conv2d", in_channels="\x1b[2J", out_channels="x" * 10**7, padding_mode="a\nb\u202e"
    )
    root = layer_node("evil.Net\n\x07", [conv])
    conv.key = "a\x1b]52;c;QQ==\x07"
    text = str(root)
    assert all(line.isprintable() for line in text.splitlines())
    assert len(text.splitlines()) == 3
    assert len(text) < 2000
    assert "padding_mode=a\\nb\\u202e" in text


def test_attributes_may_be_anything():
    for value in (Global("os", "system"), [[[]]], ((1, 2), [3]), {"a": 1}.keys(), float("nan"), 10**5000, None, b"x"):
        attributes = dict.fromkeys(("in_channels", "out_channels", "kernel_size", "padding", "groups", "inplace"), value)
        assert str(layer_node("torch.nn.modules.conv.Conv2d", **attributes)).startswith("Conv2d(")
        assert str(layer_node("torch.nn.modules.activation.ReLU", **attributes)) in ("ReLU()", "ReLU(inplace=True)")
        options = layer_node("torch.nn.modules.loss.LinearCrossEntropyLoss", options=value, num_classes=value)
        assert str(options).startswith("LinearCrossEntropyLoss(in_features=?")
