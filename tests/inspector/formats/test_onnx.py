"""ONNX models as the package onnx writes them, in every type and every way to hold elements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, external_data_helper, helper, numpy_helper

import inspector
from inspector.formats import Found, Opening
from inspector.formats.onnx import read
from inspector.formats.onnx_tensors import TYPES
from inspector.nodes import Value
from inspector.sources import Bytes
from tests.inspector.samples import opened

KINDS = {value: name for name, value in TensorProto.DataType.items() if name not in ("UNDEFINED", "STRING")}


def model_of(*tensors: TensorProto, **options: Any) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])]
    nodes = [helper.make_node("Relu", ["x"], ["y"], name="relu")]
    graph = helper.make_graph(nodes, "net", inputs, outputs, list(tensors), **options)
    made = helper.make_model(graph, producer_name="pytorch", producer_version="2.13")
    helper.set_model_props(made, {"author": "h\u00e9\x1b"})
    return made


def values(kind: int, count: int) -> np.ndarray[Any, Any]:
    numbers = np.arange(count) % 7 - (3 if KINDS[kind].startswith(("INT", "FLOAT", "DOUBLE", "B")) else 0)
    return np.maximum(numbers, 0) if kind in (TensorProto.BOOL, TensorProto.INT2, TensorProto.FLOAT8E8M0) else numbers


def expected(tensor: TensorProto) -> np.ndarray[Any, Any]:
    return numpy_helper.to_array(tensor)


@pytest.mark.parametrize("raw", [True, False], ids=["raw", "typed"])
@pytest.mark.parametrize("shape", [(3, 4), (3, 3), (5,), ()])
@pytest.mark.parametrize("kind", KINDS, ids=KINDS.get)
def test_every_type_reads_to_the_bit(kind: int, shape: tuple[int, ...], raw: bool, tmp_path: Path) -> None:
    count = int(np.prod(shape))
    numbers = values(kind, count).astype(helper.tensor_dtype_to_np_dtype(kind))
    if raw:
        tensor = numpy_helper.from_array(numbers.reshape(shape), "fc.weight")
    else:
        tensor = helper.make_tensor("fc.weight", kind, shape, numbers.tolist() if kind != TensorProto.BOOL else numbers)
    assert tensor.HasField("raw_data") == raw
    with opened(model_of(tensor).SerializeToString(), tmp_path) as model:
        node = model["fc.weight"]
        wanted = expected(tensor)
        assert model.problems == []
        assert (node.dtype, node.shape) == (TYPES[kind], shape)
        found = node.numpy()
        assert found.shape == shape
        if found.dtype.itemsize == wanted.dtype.itemsize and found.dtype.kind == wanted.dtype.kind:
            assert found.tobytes() == wanted.tobytes()
        np.testing.assert_array_equal(found.astype(np.complex128), wanted.astype(np.complex128))
        if len(shape) == 2:
            assert node[1:3, 1:3].tobytes() == np.ascontiguousarray(found[1:3, 1:3]).tobytes()


def test_what_the_model_says_of_itself(tmp_path: Path) -> None:
    made = model_of(numpy_helper.from_array(np.ones(2, np.float32), "a"))
    with opened(made.SerializeToString(), tmp_path) as model:
        assert model.format == "ONNX"
        assert model.metadata["producer_name"] == "pytorch"
        assert model.metadata["ir_version"] == made.ir_version
        assert model.metadata["opsets"] == {"ai.onnx": made.opset_import[0].version}
        assert (model.metadata["inputs"], model.metadata["outputs"], model.metadata["graph"]) == (["x"], ["y"], "net")
        assert model.metadata["nodes"] == 1
        assert model.metadata["author"] == "h\u00e9\x1b"


def test_names_make_a_tree_and_nothing_needs_the_package(tmp_path: Path) -> None:
    tensors = [numpy_helper.from_array(np.full((2, 2), i, np.float32), f"layers.{i}.weight") for i in range(12)]
    with opened(model_of(*tensors).SerializeToString(), tmp_path) as model:
        assert [child.key for child in model["layers"].children] == [str(i) for i in range(12)]
        assert model["layers.11.weight"].numpy().tolist() == [[11, 11], [11, 11]]


def test_a_model_that_torch_exported(tmp_path: Path) -> None:
    import torch

    layers = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
    tensors = [numpy_helper.from_array(value.numpy(), name) for name, value in layers.state_dict().items()]
    onnx.save(model_of(*tensors), tmp_path / "a.onnx")
    with inspector.open(str(tmp_path / "a.onnx")) as model:
        for name, value in layers.state_dict().items():
            assert model[name].numpy().tobytes() == value.numpy().tobytes()


def external(folder: Path, **options: Any) -> Path:
    tensors = [numpy_helper.from_array(np.arange(600, dtype=np.float32) + i, f"w{i}") for i in range(3)]
    path = folder / "model.onnx"
    onnx.save_model(model_of(*tensors), path, save_as_external_data=True, location="weights.bin", **options)
    return path


def test_elements_in_a_file_of_their_own(tmp_path: Path) -> None:
    path = external(tmp_path)
    with inspector.open(str(path)) as model:
        assert model.problems == []
        for i in range(3):
            assert model[f"w{i}"].numpy().tolist() == (np.arange(600) + i).tolist()
        assert model.nbytes == path.stat().st_size + (tmp_path / "weights.bin").stat().st_size


def test_a_missing_or_short_file_of_elements_is_told(tmp_path: Path) -> None:
    path = external(tmp_path)
    data = (tmp_path / "weights.bin").read_bytes()
    (tmp_path / "weights.bin").write_bytes(data[:-10])
    with inspector.open(str(path)) as model:
        assert any(problem.startswith("w2: ") for problem in model.problems)
        assert model["w1"].numpy().tolist() == (np.arange(600) + 1).tolist()
        with pytest.raises(inspector.DamagedFile):
            model["w2"].numpy()
    (tmp_path / "weights.bin").unlink()
    with inspector.open(str(path)) as model:
        assert any("there is no file" in problem for problem in model.problems)
        with pytest.raises(inspector.NoValues):
            model["w0"].numpy()


@pytest.mark.parametrize(
    "location", ["../secret.bin", "/etc/passwd", "", "a/../../secret.bin", "..", "x\\..\\secret.bin", "a\x00"]
)
def test_the_folder_of_the_model_is_not_left(location: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "secret.bin").write_bytes(bytes(100))
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), "w")
    external_data_helper.set_external_data(tensor, location, offset=0, length=16)
    tensor.ClearField("raw_data")
    with opened(model_of(tensor).SerializeToString(), folder) as model:
        with pytest.raises(inspector.NoValues, match="not opened"):
            model["w"].numpy()
        assert model.problems


def test_sparse_initializers_texts_and_types_of_the_future(tmp_path: Path) -> None:
    values_, indices = numpy_helper.from_array(np.array([5.0], np.float32), "s"), numpy_helper.from_array(np.array([2]), "")
    sparse = helper.make_sparse_tensor(values_, indices, [4])
    texts = helper.make_tensor("t", TensorProto.STRING, [2], ["a", "b"])
    future = TensorProto(name="f", data_type=77, dims=[2], raw_data=b"ab")
    made = model_of(texts, future, sparse_initializer=[sparse])
    with opened(made.SerializeToString(), tmp_path) as model:
        assert model["s.values"].numpy().tolist() == [5]
        assert model["s.indices"].numpy().tolist() == [2]
        assert isinstance(model["t"], Value)
        assert model["t"].value == ["a", "b"]
        assert model["f"].dtype == "ONNX type 77"
        with pytest.raises(inspector.InspectorError):
            model["f"].numpy()


def test_numbers_that_are_not_packed_are_read_too(tmp_path: Path) -> None:
    # A TensorProto as protobuf 2 would write it: dims and elements one field each.
    numbers = b"".join(b"\x38" + number for number in (b"\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80\x01"))
    floats = b"\x25\x00\x00\x80\x3f\x25\x00\x00\x00\x40"
    tensors = [b"\x08\x03\x10\x07\x42\x01a" + numbers, b"\x08\x02\x10\x01\x42\x01b" + floats]
    graph = b"".join(b"\x2a" + bytes([len(tensor)]) + tensor for tensor in tensors)
    with opened(b"\x08\x07\x3a" + bytes([len(graph)]) + graph, tmp_path) as model:
        assert model["a"].numpy().tolist() == [1, -1, 128]
        assert model["b"].numpy().tolist() == [1.0, 2.0]


def test_elements_that_are_too_few_or_in_two_ways_are_told(tmp_path: Path) -> None:
    short = TensorProto(name="short", data_type=1, dims=[4], raw_data=b"abcd")
    few = TensorProto(name="few", data_type=7, dims=[4], int64_data=[1, 2])
    both = TensorProto(name="both", data_type=1, dims=[1], raw_data=b"abcd", float_data=[1.0])
    with opened(model_of(short, few, both).SerializeToString(), tmp_path) as model:
        assert any(problem.startswith("short: ") for problem in model.problems)
        assert any(problem.startswith("both: ") for problem in model.problems)
        for name in ("short", "few"):
            with pytest.raises(inspector.DamagedFile):
                model[name].numpy()


def test_opening_skips_the_elements() -> None:
    class Watched(Bytes):
        count = 0

        def read(self, offset: int, length: int) -> bytes:
            self.count += length
            return super().read(offset, length)

    tensors = [numpy_helper.from_array(np.zeros(1 << 20, np.float32), f"w{i}") for i in range(3)]
    source = Watched(model_of(*tensors).SerializeToString())
    found = Found("x", source)
    source.count = 0
    assert sum(1 for _ in read(found, Opening()).root.tensors()) == 3
    assert source.count < 100_000


def test_every_cut_ends_clean_and_shows_what_is_before_it(tmp_path: Path) -> None:
    tensors = [numpy_helper.from_array(np.arange(20, dtype=np.float32), f"w{i}") for i in range(4)]
    tensors.append(TensorProto(name="ints", data_type=7, dims=[3], int64_data=[1, 2, 300]))
    whole = model_of(*tensors).SerializeToString()
    for length in range(len(whole)):
        try:
            with opened(whole[:length], tmp_path) as model:
                for tensor in model.tensors():
                    try:
                        tensor.numpy()
                    except inspector.InspectorError:
                        assert model.problems
        except inspector.InspectorError:
            pass
    middle = whole.index(b"w2")
    with opened(whole[: middle + 30], tmp_path) as model:
        assert model["w1"].numpy().tolist() == list(range(20))
        assert any("cut off" in problem for problem in model.problems)


def test_damaged_bytes_end_clean(tmp_path: Path) -> None:
    import random

    tensors = [numpy_helper.from_array(np.arange(5, dtype=np.float32), f"w{i}") for i in range(4)]
    whole = model_of(*tensors).SerializeToString()
    dice = random.Random(1)
    for _ in range(500):
        mutant = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            mutant[dice.randrange(len(mutant))] = dice.randrange(256)
        try:
            with opened(bytes(mutant), tmp_path) as model:
                for tensor in model.tensors():
                    tensor.numpy()
        except inspector.InspectorError:
            pass


@pytest.mark.parametrize(
    "data", [b"\x08", b"\x08\x07", b"\x08\x07\x12\x02ab", b":\x01a", b"\x08\x01\x12\xff\xff\xff\x01abc"]
)
def test_other_protobuf_is_not_taken_for_a_model(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(inspector.NotAModel):
        opened(data, tmp_path)


def constant(output: str, value: float, **options: Any) -> onnx.NodeProto:
    tensor = numpy_helper.from_array(np.full((2, 3), value, np.float32), "unused")
    return helper.make_node("Constant", [], [output], value=tensor, **options)


def branch(*nodes: onnx.NodeProto, **options: Any) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "branch", [], [], **options)


def test_constants_and_the_graphs_that_nodes_hold_are_shown(tmp_path: Path) -> None:
    inner = helper.make_node("Loop", ["a"], ["l"], name="loop", body=branch(constant("fc.weight", 1)))
    weight = numpy_helper.from_array(np.full((2, 3), 2, np.float32), "w.weight")
    yes = branch(constant("c", 3, name="named"), inner, initializer=[weight])
    made = model_of(numpy_helper.from_array(np.ones((2, 3), np.float32), "top"))
    # A long text makes the node one that is walked field by field.
    long = constant("long", 5, doc_string="x" * 10_000)
    choice = helper.make_node("If", ["x"], ["y"], then_branch=yes, else_branch=branch(constant("c", 4)))
    made.graph.node.extend(
        [constant("c", 6), choice, long, helper.make_node("Relu", ["x"], ["z"], doc_string="x" * 10_000)]
    )
    with opened(made.SerializeToString(), tmp_path, "model.onnx") as model:
        assert model.problems == []
        assert {name: tensor.numpy().flat[0] for name, tensor in model.state_dict().items()} == {
            "top": 1,
            "y.then_branch.w.weight": 2,
            "constants.c": 6,
            "constants.long": 5,
            "y.else_branch.constants.c": 4,
            "y.then_branch.constants.c": 3,
            "y.then_branch.loop.body.constants.fc.weight": 1,
        }
        assert all(tensor.shape == (2, 3) for tensor in model.tensors())
        assert model.metadata["nodes"] == 5


def test_graphs_deep_inside_each_other_end_and_are_told(tmp_path: Path) -> None:
    graph = branch(constant("c", 1))
    data = graph.SerializeToString()

    def message(number: int, payload: bytes) -> bytes:
        length, size = b"", len(payload)
        while size > 0x7F:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + payload

    for _ in range(3000):
        attribute = message(1, b"body") + message(6, data)
        data = message(1, message(2, b"o") + message(4, b"Loop") + message(5, attribute))
    with opened(b"\x08\x07" + message(7, data), tmp_path, "model.onnx") as model:
        assert len(model.problems) == 1
        assert "too deep" in model.problems[0]


def test_the_graph_is_readable_with_the_graphs_that_nodes_hold(tmp_path: Path) -> None:
    body = branch(helper.make_node("Relu", ["a"], ["b"]))
    other = branch(helper.make_node("Neg", ["a"], ["c"]))
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[-1, 2], auto_pad="SAME", alpha=0.5, axis=-3, scales=[0.25, 2.0]),
        helper.make_node("If", ["y"], ["z", "rest"], then_branch=body, else_branch=other),
        helper.make_node("Own", [], ["o"], domain="mine", t=numpy_helper.from_array(np.ones(2, np.float32)), names=["p"]),
    ]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])]
    result = [helper.make_tensor_value_info("z", TensorProto.INT64, [])]
    made = helper.make_model(helper.make_graph(nodes, "net", given, result))
    with opened(made.SerializeToString(), tmp_path, "model.onnx") as model:
        assert model.texts["graph"]().split("\n") == [
            "net(x: float32[N, 3]) -> (z: int64[]):",
            "    y = Conv(x, w, alpha=0.5, auto_pad='SAME', axis=-3, pads=[-1, 2], scales=[0.25, 2])",
            "    z, rest = If(y)",
            "        else_branch = branch() -> ():",
            "            c = Neg(a)",
            "            return",
            "        then_branch = branch() -> ():",
            "            b = Relu(a)",
            "            return",
            "    o = mine.Own(names=['p'], t=<tensor>)",
            "    return z",
        ]
        assert model.text_of(model.root) == "graph"


def test_the_text_of_a_damaged_graph_ends_early(tmp_path: Path) -> None:
    made = model_of(numpy_helper.from_array(np.ones((2, 3), np.float32), "top"))
    made.graph.node.append(helper.make_node("Relu", ["x"], ["z"], name="a" * 100))
    data = made.SerializeToString()
    end = data.index(made.graph.SerializeToString()) + made.graph.ByteSize()
    for length in range(end - 150, end + 1):
        (tmp_path / "model.onnx").write_bytes(data[:length])
        with inspector.open(tmp_path / "model.onnx") as model:
            assert model.texts["graph"]().split("\n")[-1].startswith("… ") == (length < end), length
