"""`--scan`: every call and import that a load would make outside plain data, where it stands, and what is only data."""

from __future__ import annotations

import datetime
import json
import pickle
from collections import OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from inspector import NotAModel, loading
from tests.hostile.canaries import CALL, EMPTY, legacy, name, text, twice, zip_of
from tests.inspector.samples import saved
from tui.cli import main


def scanned(data: bytes, folder: Path) -> loading.Scan:
    path = folder / "model.pt"
    path.write_bytes(data)
    return loading.scan(path)


def everything() -> dict[str, Any]:
    dense = torch.tensor([[0, 1.0, 0], [2, 0, 3]])
    return {
        "state": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).state_dict(),
        "optimizer": torch.optim.Adam(nn.Linear(2, 2).parameters()).state_dict(),
        "per tensor": torch.quantize_per_tensor(dense, 0.1, 2, torch.qint8),
        "per channel": torch.quantize_per_channel(dense, torch.ones(2).double(), torch.arange(2), 0, torch.quint8),
        "coo": dense.to_sparse(), "csr": dense.to_sparse_csr(), "f8": torch.ones(3).to(torch.float8_e4m3fn),
        "meta": torch.empty(3, device="meta"), "parameter": nn.Parameter(dense), "buffer": nn.Buffer(dense),
        "size": torch.Size([2, 3]), "dtype": torch.bfloat16, "device": torch.device("cpu"), "layout": torch.strided,
        "numpy": [np.arange(6.0), np.float32(3), np.array([1, "a"], dtype=object), np.dtype("f4")],
        "python": [1, 2.5, 3j, "a", b"b", None, True, (1,), {1}, frozenset({2}), bytearray(b"c"), OrderedDict(a=1)],
        "default": defaultdict(list, a=[1]),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_only_data_is_not_told(protocol: int, zipped: bool, tmp_path: Path) -> None:
    data = saved(everything(), pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
    scan = scanned(data, tmp_path)
    assert (scan.findings, scan.problems, scan.complete) == ([], [], True)
    assert scan.pickles >= 1


def test_a_call_is_told_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    body = b"\x80\x02}" + text("model") + b"}" + text("hook") + name("os", "system") + text("touch pwned") + b"\x85Rss."
    (finding,) = scanned(zip_of(body), tmp_path).findings
    assert (finding.group, finding.callable, finding.arguments, finding.opcode) == (
        "call",
        "os.system",
        "('touch pwned',)",
        "REDUCE",
    )
    assert (finding.member, finding.offset, finding.place, finding.note) == (
        "a/data.pkl",
        body.index(b"R"),
        "model.hook",
        "",
    )


def test_the_classes_of_torch_stand_apart_from_a_stranger_s(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Sequential(nn.Dropout()))
    net.when = datetime.date(2020, 1, 2)
    findings = scanned(saved(net), tmp_path).findings
    assert [(finding.callable, finding.place) for finding in findings if finding.group == "call"] == [
        ("datetime.date", "when")
    ]
    layers = [(finding.callable.rpartition(".")[2], finding.place) for finding in findings if finding.group == "torch"]
    assert layers == [("Sequential", ""), ("Linear", "0"), ("ReLU", "1"), ("Sequential", "2"), ("Dropout", "2.0")]


@pytest.mark.parametrize(
    ("body", "called"),
    [
        # A layer that is called, not made empty; a class that only looks like one of torch's.
        (name("torch.nn.modules.linear", "Linear") + b"K\x04K\x01\x86R", "torch.nn.modules.linear.Linear"),
        (name("torch.nn.modules.evil", "Linear") + b")\x81", "torch.nn.modules.evil.Linear"),
        (name("torch.hub", "load") + text("x") + b"\x85R", "torch.hub.load"),
        (name("torch", "load") + text("x") + b"\x85R", "torch.load"),
        (name("torch.distributed.checkpoint.format_utils", "dcp_to_torch_save") + text("x") + b"\x85R",
         "torch.distributed.checkpoint.format_utils.dcp_to_torch_save"),
        (name("builtins", "bytearray") + b"\x8a\x05\0\0\0\0\x01\x85R", "builtins.bytearray"),
        (name("numpy.core.multiarray", "_reconstruct") + name("evil", "ndarray") + b"K\0\x85C\x01b\x87R", "numpy.core.multiarray._reconstruct"),
        (name("copyreg", "_reconstructor") + name("evil", "Net") + name("builtins", "object") + b"N\x87R", "copyreg._reconstructor"),
        (name("torch", "FloatTensor") + text("x") + b"\x85R", "torch.FloatTensor"),
    ],
)  # fmt: skip
def test_what_merely_looks_like_data_is_told(body: bytes, called: str, tmp_path: Path) -> None:
    findings = scanned(zip_of(b"\x80\x02" + body + b"."), tmp_path).findings
    assert [finding.callable for finding in findings if finding.group == "call"] == [called]


def test_a_name_that_is_only_imported_is_told(tmp_path: Path) -> None:
    (finding,) = scanned(zip_of(b"\x80\x02" + name("evil", "nothing") + b"."), tmp_path).findings
    assert (finding.group, finding.callable, finding.arguments, finding.offset) == ("import", "evil.nothing", "", 2)


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (zip_of(EMPTY, extra_pkl=b"\x80\x02" + CALL + b"."), "torch.load does not read it"),
        (zip_of(EMPTY + b"\x80\x02" + CALL + b"."), "it stands behind what is read"),
        (twice(EMPTY, b"\x80\x02" + CALL + b"."), "it is hidden behind another member of that name"),
        (legacy(EMPTY) + b"\x80\x02" + CALL + b".", "it stands behind what is read"),
        (zip_of(EMPTY) + b"\x80\x02" + CALL + b".", "the directory of the archive leaves it out"),
    ],
)
def test_what_a_load_would_not_come_to_is_told_with_the_reason(data: bytes, note: str, tmp_path: Path) -> None:
    findings = scanned(data, tmp_path).findings
    assert [(finding.callable, finding.note) for finding in findings] == [("evil.run", note)]


def test_a_file_of_which_not_all_could_be_looked_at_is_not_called_without_calls(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "model.pt"
    for data in (saved({"a": torch.ones(3)})[:300], zip_of(b"\x80\x02](K\x01"), pickle.dumps([1, 2], 4)[:-3]):
        path.write_bytes(data)
        assert main([str(path), "--scan"]) == 1
        said = capsys.readouterr().out
        assert "which is not all of it" in said and "\n! " in said


def test_the_report_never_says_that_a_file_is_safe(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(saved({"a": torch.ones(3)}))
    assert main([str(path), "--scan"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "nothing in this file was run; no calls outside plain data"
    path.write_bytes(zip_of(b"\x80\x02" + CALL + b"."))
    assert main([str(path), "--scan"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "nothing in this file was run; loading it with pickle would call:"
    assert lines[2].startswith("  evil.run('touch pwned',)  REDUCE at byte")
    path.write_bytes(b"no model at all\n")
    assert main([str(path), "--scan"]) == 2
    with pytest.raises(NotAModel):
        loading.scan(path)


def test_json_has_the_same_calls(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(zip_of(b"\x80\x02}" + text("x") + CALL + b"s.", extra_pkl=b"\x80\x02" + CALL + b"."))
    assert main([str(path), "--json", "--scan"]) == 1
    calls = json.loads(capsys.readouterr().out)["calls"]
    assert [(call["callable"], call["member"], call["name"]) for call in calls] == [
        ("evil.run", "a/data.pkl", "x"),
        ("evil.run", "a/extra.pkl", ""),
    ]
    assert {"callable", "arguments", "member", "offset"} <= calls[0].keys()


def test_a_limit_leaves_what_was_found_before_it(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(zip_of(b"\x80\x02" + CALL + b"0" + b"N\x94" * 300 + b"."))
    assert main([str(path), "--scan", "--limit", "memo=100"]) == 1
    said = capsys.readouterr().out
    assert "evil.run" in said and "(limit 'memo': 100; " in said
    assert main([str(path), "--print", "--limit", "memory=100"]) == 2
    assert "is no limit" in capsys.readouterr().err
