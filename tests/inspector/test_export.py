"""Writing tensors to files: what numpy, safetensors and torch read back is what torch saved, bit for bit."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import inspector
from inspector import blocks
from inspector.errors import InspectorError, MissingExtra, NoValues, TooLarge
from inspector.export import AlreadyThere, export, to_torch
from inspector.streams import write_csv, write_json

UNKNOWN_TO_SAFETENSORS = {"complex128", "complex32", "bits8", "bits16"}
NATIVE = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8", "bool",
          "complex128", "complex64"]  # fmt: skip
FOREIGN = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
           "float4_e2m1fn_x2", "complex32", "bits8", "bits16"]  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Opened = Callable[..., inspector.Checkpoint]


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    """Opens what `torch.save` writes of an object."""

    def save_and_open(saved: object, **options: object) -> inspector.Checkpoint:
        torch.save(saved, tmp_path / "saved.pt", **options)
        return inspector.open(str(tmp_path / "saved.pt"))

    return save_and_open


def random_bits(dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor of any bit patterns, NaNs of all kinds among them."""
    kind = getattr(torch, dtype)
    width = torch.empty(0, dtype=kind).element_size()
    generator = torch.Generator().manual_seed(len(dtype))
    size = (*shape[:-1], shape[-1] * width)
    if dtype == "bool":
        return torch.randint(0, 2, shape, generator=generator).bool()
    return torch.randint(0, 256, size, dtype=torch.uint8, generator=generator).view(kind).reshape(shape)


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    return subprocess.run([sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True)


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def as_numpy_bits(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


# To torch


@pytest.mark.parametrize("dtype", NATIVE + FOREIGN)
def test_a_tensor_of_any_dtype_becomes_torchs_own_to_the_bit(opened: Opened, dtype: str) -> None:
    saved = random_bits(dtype, (5, 6))
    made = opened({"x": saved})["x"].torch()
    assert (made.dtype, made.shape, made.stride()) == (saved.dtype, saved.shape, saved.stride())
    assert bits(made) == bits(saved)


def test_a_view_keeps_its_strides_and_takes_only_what_it_spans(opened: Opened) -> None:
    base = torch.arange(1_000_000, dtype=torch.float32).reshape(1000, 1000)
    saved = {
        "columns": base[3:9:2, 4:8].t(),
        "expanded": base[0, :1].expand(1000, 2000),
        "empty": base[:0],
        "number": base[1, 1],
    }
    found = opened(saved)
    for name, view in saved.items():
        made = found[name].torch()
        assert torch.equal(made, view), name
        assert made.stride() == view.stride(), name
    assert found["columns"].torch().untyped_storage().nbytes() < 6 * 1000 * 4
    assert found["expanded"].torch().untyped_storage().nbytes() == 4


def test_lazy_conj_and_neg_bits_stay_bits(opened: Opened) -> None:
    z = torch.tensor([1 + 2j, -3j])
    conj, neg = z.conj(), z.clone().conj().imag
    found = opened({"conj": conj, "neg": neg})
    assert found["conj"].torch().is_conj()
    assert torch.equal(found["conj"].torch(), conj)
    assert found["neg"].torch().is_neg()
    assert torch.equal(found["neg"].torch(), neg)


def test_quantised_tensors_stay_quantised(opened: Opened) -> None:
    x = torch.linspace(-3, 3, 24).reshape(4, 6)
    scales, zeros = torch.tensor([0.1, 0.2, 0.3, 0.4]), torch.tensor([0, 1, 2, 3])
    saved = {
        "tensor": torch.quantize_per_tensor(x, 0.05, 3, torch.qint8),
        "channel": torch.quantize_per_channel(x, scales.double(), zeros, 0, torch.quint8),
        "wide": torch.quantize_per_tensor(x, 0.001, 0, torch.qint32),
        "packed": torch.quantize_per_channel(x, scales, zeros.float(), 0, torch.quint4x2),
    }
    found = opened(saved)
    for name, tensor in saved.items():
        made = found[name].torch()
        assert (made.dtype, made.qscheme()) == (tensor.dtype, tensor.qscheme()), name
        assert torch.equal(made.dequantize(), tensor.dequantize()), name


def test_sparse_tensors_stay_sparse(opened: Opened) -> None:
    dense = torch.tensor([[0.0, 2.0, 0.0], [3.0, 0.0, 0.0]])
    saved = {"coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), "csc": dense.to_sparse_csc()}
    found = opened(saved)
    for name, tensor in saved.items():
        made = found[name].torch()
        assert made.layout == tensor.layout
        assert torch.equal(made.to_dense(), dense), name


def test_without_torch_the_message_says_how_to_install_it(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    found = opened({"x": torch.ones(2)})
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=re.escape("pip install 'torchtui[torch]'")):
        to_torch(found["x"])


# numpy's files


@pytest.mark.parametrize("dtype", NATIVE)
def test_numpy_reads_its_own_dtypes_as_they_are(opened: Opened, dtype: str, tmp_path: Path) -> None:
    saved = random_bits(dtype, (3, 4))
    export(opened({"a.b": saved}).state_dict(), str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as read:
        assert list(read) == ["a.b"]
        assert read["a.b"].dtype == dtype
        assert as_numpy_bits(read["a.b"]) == bits(saved)


@pytest.mark.parametrize("dtype", FOREIGN)
def test_dtypes_that_numpy_lacks_come_as_bits_in_a_field_that_says_their_name(
    opened: Opened, dtype: str, tmp_path: Path
) -> None:
    saved = random_bits(dtype, (3, 4))
    export(opened({"x": saved}).state_dict(), str(tmp_path / "x.npy"))
    read = np.load(tmp_path / "x.npy")
    assert read.dtype.names == (dtype,)
    assert read.shape == (3, 4)
    assert as_numpy_bits(read[dtype]) == bits(saved)


def test_bfloat16_is_one_view_away_in_numpy(opened: Opened, tmp_path: Path) -> None:
    saved = torch.tensor([1.5, -2.0, float("nan")], dtype=torch.bfloat16)
    export(opened({"x": saved}).state_dict(), str(tmp_path / "x.npz"))
    read = np.load(tmp_path / "x.npz")["x"]["bfloat16"].view(ml_dtypes.bfloat16)
    assert str(read) == "[1.5 -2 nan]"


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (2, 3, 4), (1,) * 20])
def test_every_shape_goes_and_comes_back(opened: Opened, shape: tuple[int, ...], tmp_path: Path) -> None:
    saved = torch.rand(shape)
    found = opened({"x": saved}).state_dict()
    export(found, str(tmp_path / "x.npy"))
    export(found, str(tmp_path / "x.safetensors"))
    assert np.array_equal(np.load(tmp_path / "x.npy"), saved.numpy())
    assert torch.equal(load_file(tmp_path / "x.safetensors")["x"], saved)


def test_strides_and_block_borders_do_not_show(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 100)
    saved = torch.rand(7, 30, 5).permute(2, 0, 1)
    found = opened({"x": saved}).state_dict()
    for name in ("x.npy", "x.json", "x.csv"):
        export(found, str(tmp_path / name))
    assert np.array_equal(np.load(tmp_path / "x.npy"), saved.numpy())
    assert torch.equal(torch.tensor(json.loads((tmp_path / "x.json").read_text())["x"]), saved)
    rows = list(csv.reader((tmp_path / "x.csv").open()))
    assert rows[0] == ["axis 0", "axis 1", "axis 2", "value"]
    assert len(rows) == 1 + saved.numel()
    assert all(saved[int(i), int(j), int(k)].numpy() == np.float32(value) for i, j, k, value in rows[1:])


def test_quantised_and_sparse_values_come_as_the_numbers_they_stand_for(opened: Opened, tmp_path: Path) -> None:
    x = torch.linspace(-1, 1, 12).reshape(3, 4)
    saved = {"q": torch.quantize_per_tensor(x, 0.05, 3, torch.qint8), "s": torch.eye(3).to_sparse()}
    found = opened(saved).state_dict()
    export(found, str(tmp_path / "x.npz"))
    export(found, str(tmp_path / "x.safetensors"))
    for read in (dict(np.load(tmp_path / "x.npz")), load_file(tmp_path / "x.safetensors")):
        assert np.array_equal(np.asarray(read["q"]), saved["q"].dequantize().numpy())
        assert np.array_equal(np.asarray(read["s"]), np.eye(3, dtype=np.float32))


@pytest.mark.parametrize("name", ["/etc/passwd", "../../x", "a/../../x", "..\\x", "a\0b", "\ud800"])
def test_no_name_in_an_archive_leads_out_of_the_folder_it_is_unpacked_in(opened: Opened, name: str, tmp_path: Path) -> None:
    export(opened({name: torch.ones(2)}).state_dict(), str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as read:
        (key,) = read
        assert read[key].tolist() == [1, 1]
    assert ".." not in key.split("/")
    assert not set(key) & set("\\\0")
    assert not key.startswith("/")


def test_names_that_become_alike_in_an_archive_stay_two(opened: Opened, tmp_path: Path) -> None:
    export(opened({"a\0": torch.zeros(1), "a%00": torch.ones(1)}).state_dict(), str(tmp_path / "x.npz"))
    with np.load(tmp_path / "x.npz") as read:
        assert sorted(read[key].item() for key in read) == [0, 1]


def test_names_with_dots_slashes_and_letters_of_any_script_stay_as_they_are(opened: Opened, tmp_path: Path) -> None:
    names = ["fc.weight", "layer/kernel:0", "重み", "a b"]
    found = opened({name: torch.ones(1) for name in names}).state_dict()
    export(found, str(tmp_path / "x.npz"))
    export(found, str(tmp_path / "x.safetensors"))
    assert list(np.load(tmp_path / "x.npz")) == names
    assert set(load_file(tmp_path / "x.safetensors")) == set(names)


# safetensors


@pytest.mark.parametrize("dtype", [name for name in NATIVE + FOREIGN if name not in UNKNOWN_TO_SAFETENSORS])
def test_safetensors_own_reader_gives_every_dtype_it_has(opened: Opened, dtype: str, tmp_path: Path) -> None:
    saved = random_bits(dtype, (3, 8))
    export(opened({"x": saved, "y": torch.ones(3, dtype=torch.uint8)}).state_dict(), str(tmp_path / "x.safetensors"))
    read = load_file(tmp_path / "x.safetensors")
    assert (read["x"].dtype, read["x"].shape) == (saved.dtype, saved.shape)
    assert bits(read["x"]) == bits(saved)


def test_safetensors_data_is_aligned_and_its_metadata_says_pt(opened: Opened, tmp_path: Path) -> None:
    saved = {"a": torch.ones(3, dtype=torch.uint8), "b": torch.ones(2, dtype=torch.float64), "c": torch.ones(1).half()}
    export(opened(saved).state_dict(), str(tmp_path / "x.safetensors"))
    data = (tmp_path / "x.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    assert length % 8 == 0
    assert [header[name]["data_offsets"][0] for name in "bca"] == [0, 16, 18]
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


def test_what_safetensors_can_not_hold_is_refused_by_name(opened: Opened, tmp_path: Path) -> None:
    for name, tensor, said in (
        ("z", torch.ones(1, dtype=torch.complex128), "z: safetensors has no complex128"),
        ("__metadata__", torch.ones(1), "__metadata__ can't be a name"),
        ("\ud800", torch.ones(1), "can't be a name"),
    ):
        with pytest.raises(InspectorError, match=re.escape(said)):
            export(opened({name: tensor}).state_dict(), str(tmp_path / "x.safetensors"))
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_name_that_no_archive_can_hold_is_refused_in_a_line_that_can_be_read(opened: Opened, tmp_path: Path) -> None:
    tensors = opened({"n" * 70_000: torch.ones(1)}).state_dict()
    with pytest.raises(InspectorError, match=r"n…n+ is too long for a name in \.npz") as error:
        export(tensors, str(tmp_path / "x.npz"))
    assert len(str(error.value)) < 400
    assert not list(tmp_path.glob("x.npz*"))
    export(tensors, str(tmp_path / "x.safetensors"))
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        assert list(file.keys()) == list(tensors)


# torch


def test_torch_loads_a_state_dict_back_with_its_dtypes_and_its_ties(opened: Opened, tmp_path: Path) -> None:
    weight = random_bits("bfloat16", (4, 4))
    saved = {"in.weight": weight, "out.weight": weight, "q": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}
    export(opened(saved).state_dict(), str(tmp_path / "x.pt"))
    read = torch.load(tmp_path / "x.pt", weights_only=True)
    assert list(read) == list(saved)
    assert bits(read["in.weight"]) == bits(weight)
    assert read["in.weight"].data_ptr() == read["out.weight"].data_ptr()
    assert torch.equal(read["q"].dequantize(), saved["q"].dequantize())


def test_a_tied_weight_is_under_each_of_its_names_in_the_other_formats(opened: Opened, tmp_path: Path) -> None:
    weight = torch.rand(2, 2)
    found = opened({"in.weight": weight, "out.weight": weight}).state_dict()
    export(found, str(tmp_path / "x.safetensors"))
    export(found, str(tmp_path / "x.npz"))
    for read in (load_file(tmp_path / "x.safetensors"), np.load(tmp_path / "x.npz")):
        assert np.array_equal(np.asarray(read["in.weight"]), weight.numpy())
        assert np.array_equal(np.asarray(read["out.weight"]), weight.numpy())


# Text


def test_json_writes_numbers_it_has_no_word_for_as_texts(opened: Opened, tmp_path: Path) -> None:
    saved = {
        "x": torch.tensor([[0.1, float("nan")], [float("inf"), -float("inf")]], dtype=torch.float32),
        "z": torch.tensor([1 + 2j, complex(0, float("nan"))]),
        "b": torch.tensor([True, False]),
        "n": torch.tensor(2**62),
        "none": torch.empty(0, 3),
    }
    export(opened(saved).state_dict(), str(tmp_path / "x.json"))
    read = json.loads((tmp_path / "x.json").read_text(), parse_constant=pytest.fail)
    assert read["x"] == [[0.1, "NaN"], ["Infinity", "-Infinity"]]
    assert read["z"] == [[1, 2], [0, "NaN"]]
    assert read["b"] == [True, False]
    assert read["n"] == 2**62
    assert read["none"] == []


def test_csv_of_a_matrix_is_its_rows_and_of_a_vector_a_number_a_line(opened: Opened, tmp_path: Path) -> None:
    saved = {"m": torch.rand(3, 4).bfloat16(), "v": torch.tensor([1, 2]), "s": torch.tensor(1.5)}
    found = opened(saved)
    for name in saved:
        export({name: found[name]}, str(tmp_path / f"{name}.csv"))
    read = np.loadtxt(tmp_path / "m.csv", delimiter=",", dtype=np.float32)
    assert torch.equal(torch.from_numpy(read).bfloat16(), saved["m"])
    assert (tmp_path / "v.csv").read_text() == "1\n2\n"
    assert (tmp_path / "s.csv").read_text() == "1.5\n"


@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (1, 1), (2, 3, 4), (2, 1, 3, 1), (0,), (2, 0)])
@pytest.mark.parametrize("block", [1, 300, 600, 1600, 1 << 24])
def test_text_is_the_same_wherever_it_is_cut_into_blocks(
    shape: tuple[int, ...], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK", block)
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    pieces: list[str] = []
    write_json(values, pieces.append)
    assert json.loads("".join(pieces)) == (values.tolist() if values.size else [])
    pieces.clear()
    write_csv(values, pieces.append)
    lines = list(csv.reader("".join(pieces).splitlines()))
    if len(shape) > 2:
        places = [[*map(str, place), str(values[place])] for place in np.ndindex(shape)]
        assert lines == [[*(f"axis {axis}" for axis in range(len(shape))), "value"], *places]
    elif values.size:
        rows = values.reshape(-1, shape[1] if len(shape) == 2 else 1)
        assert [[float(cell) for cell in line] for line in lines] == rows.tolist()


# The file


def test_a_format_for_one_tensor_refuses_two(opened: Opened, tmp_path: Path) -> None:
    found = opened({"a": torch.ones(1), "b": torch.ones(1)}).state_dict()
    for extension in (".npy", ".csv"):
        with pytest.raises(InspectorError, match="holds one tensor and here are 2"):
            export(found, str(tmp_path / f"x{extension}"))


@pytest.mark.parametrize("name", ["x", "x.gguf", ".npz"])
def test_an_extension_nobody_writes_is_refused_with_those_that_are(opened: Opened, tmp_path: Path, name: str) -> None:
    with pytest.raises(InspectorError, match=r"must end in one of .npy .npz .safetensors .pt .csv .json"):
        export(opened({"a": torch.ones(1)}).state_dict(), str(tmp_path / name))


def test_a_file_that_is_there_is_replaced_only_when_told(opened: Opened, tmp_path: Path) -> None:
    found = opened({"a": torch.ones(1)}).state_dict()
    (tmp_path / "x.npy").write_text("precious")
    with pytest.raises(AlreadyThere):
        export(found, str(tmp_path / "x.npy"))
    assert (tmp_path / "x.npy").read_text() == "precious"
    size = export(found, str(tmp_path / "x.npy"), replace=True)
    assert np.load(tmp_path / "x.npy").tolist() == [1]
    assert size == (tmp_path / "x.npy").stat().st_size


def test_the_opened_file_itself_can_be_replaced(opened: Opened, tmp_path: Path) -> None:
    found = opened({"a": torch.arange(3.0)})
    export(found.state_dict(), str(tmp_path / "saved.pt"), replace=True)
    assert torch.load(tmp_path / "saved.pt")["a"].tolist() == [0, 1, 2]
    assert found["a"].numpy().tolist() == [0, 1, 2]


def test_folders_and_missing_folders_are_said_in_one_line(opened: Opened, tmp_path: Path) -> None:
    found = opened({"a": torch.ones(1)}).state_dict()
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InspectorError, match="is a folder"):
        export(found, str(tmp_path / "folder.npy"), replace=True)
    with pytest.raises(InspectorError, match="No such file or directory"):
        export(found, str(tmp_path / "missing" / "x.npy"))


def test_a_link_stays_a_link_to_what_was_written(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.npy").symlink_to(tmp_path / "elsewhere" / "x.npy")
    export(opened({"a": torch.ones(1)}).state_dict(), str(tmp_path / "link.npy"))
    assert (tmp_path / "link.npy").is_symlink()
    assert np.load(tmp_path / "elsewhere" / "x.npy").tolist() == [1]


@pytest.mark.parametrize("extension", [".npy", ".npz", ".safetensors", ".csv", ".json"])
def test_stopping_leaves_nothing_behind(
    opened: Opened, tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        pass

    def stop(done: int, total: int) -> None:
        assert total == 40_000
        if done or extension in (".csv", ".json"):
            raise Stopped

    monkeypatch.setattr(blocks, "BLOCK", 1000)
    found = opened({"a": torch.ones(10_000)}).state_dict()
    before = set(tmp_path.iterdir())
    with pytest.raises(Stopped):
        export(found, str(tmp_path / f"x{extension}"), progress=stop)
    assert set(tmp_path.iterdir()) == before


def test_progress_ends_at_the_total(opened: Opened, tmp_path: Path) -> None:
    found = opened(
        {"a": torch.ones(10), "h": torch.ones(10).half(), "z": torch.ones(3, dtype=torch.complex32)}
    ).state_dict()
    for extension in (".npz", ".pt", ".json"):
        heard: list[tuple[int, int]] = []
        export(
            found, str(tmp_path / f"x{extension}"), progress=lambda done, total, heard=heard: heard.append((done, total))
        )
        assert heard[-1] == (72, 72)


def test_a_tensor_without_values_is_named_and_leaves_no_file(opened: Opened, tmp_path: Path) -> None:
    found = opened({"fine": torch.ones(2), "lost": torch.ones(2, device="meta")}).state_dict()
    for extension in (".npz", ".safetensors", ".json", ".pt"):
        with pytest.raises(NoValues, match=r"^lost: "):
            export(found, str(tmp_path / f"x{extension}"))
    assert [path.name for path in tmp_path.iterdir()] == ["saved.pt"]


def test_a_disk_that_is_too_small_is_seen_before_anything_is_written(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = opened({"a": torch.ones(1).expand(1 << 45)}).state_dict()
    with pytest.raises(TooLarge, match="140737488355328 bytes are to be written"):
        export(found, str(tmp_path / "x.npy"))


FULL_DISK = """\
import resource, signal, sys
import inspector
from inspector.errors import TooLarge
from inspector.export import export
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
found = inspector.open("saved.pt").state_dict()
for extension in (".npy", ".npz", ".safetensors", ".pt", ".csv", ".json"):
    try:
        export(found, "x" + extension)
    except TooLarge as error:
        print(error)
"""


def test_a_disk_that_becomes_full_leaves_no_partial_file(opened: Opened, tmp_path: Path) -> None:
    opened({"a": torch.rand(1000, 1000)}).close()
    done = run(FULL_DISK, tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"x{extension} does not fit onto its disk; nothing of it is left there"
        for extension in (".npy", ".npz", ".safetensors", ".pt", ".csv", ".json")
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["saved.pt"]


def test_exporting_needs_memory_for_a_block_only(opened: Opened, tmp_path: Path) -> None:
    opened({"a": torch.zeros(50_000_000)}).close()
    script = (
        "import inspector, resource; from inspector.export import export\n"
        "found = inspector.open('saved.pt').state_dict()\n"
        "found['a'][:1]; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "[export(found, 'x' + extension) for extension in ('.npy', '.npz', '.safetensors')]\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = run(script, tmp_path)
    assert int(done.stdout) < 80_000, done.stderr
