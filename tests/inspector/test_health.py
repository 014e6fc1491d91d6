"""The health of a file: what is wrong is found, told with its place, and marked on the modules above."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from inspector.statistics import cuts
from inspector.statistics.health import Finding, Health
from tests.inspector.checkpoints import checkpoint_of, layers

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def health_of(tensors: dict[str, Any], folder: Path) -> Health:
    health = Health(checkpoint_of(tensors, folder))
    health.run()
    return health


def found(tensors: dict[str, Any], folder: Path) -> list[tuple[str, str, Any]]:
    return [(finding.node.name, finding.kind, finding.index) for finding in health_of(tensors, folder).findings]


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_a_sound_file_has_no_findings(tmp_path: Path) -> None:
    health = health_of(layers(12), tmp_path)
    assert health.findings == []
    assert health.marks == {}
    assert len(health.statistics) == 36
    assert health.done == health.total
    assert health.left == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.complex64])
@pytest.mark.parametrize(("value", "kind"), [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "inf")])
def test_the_first_cell_that_is_not_finite_is_found(dtype: torch.dtype, value: float, kind: str, tmp_path: Path) -> None:
    x = normal(30, 40, 5).to(dtype)
    x[17, 3, 4] = x[17, 30, 0] = x[29, 0, 0] = value
    assert found({"x": x, "t": x.permute(2, 0, 1)}, tmp_path) == [("x", kind, (17, 3, 4)), ("t", kind, (0, 17, 30))]


def test_the_text_says_how_many_and_where(tmp_path: Path) -> None:
    x = normal(30, 40)
    x[3, 4:8] = torch.nan
    x[5, 6] = torch.inf
    health = health_of({"x": x}, tmp_path)
    assert [finding.text for finding in health.findings] == ["4 NaN, the first at [3, 4]", "1 Inf, the first at [5, 6]"]


def test_a_nan_far_back_in_a_large_tensor_is_found(tmp_path: Path) -> None:
    x = torch.zeros(3000, 2000)
    x[2999, 1998] = torch.nan
    assert found({"x": x}, tmp_path)[0] == ("x", "nan", (2999, 1998))
    assert found({"x": x.reshape(-1)}, tmp_path)[0] == ("x", "nan", (5_999_998,))
    assert found({"x": torch.tensor(torch.nan)}, tmp_path) == [("x", "nan", ())]
    assert found({"x": torch.tensor([1, torch.nan]).expand(1 << 20, 1 << 18, 2)}, tmp_path)[0] == ("x", "nan", (0, 0, 1))


def test_a_nan_in_a_sparse_tensor_has_its_place(tmp_path: Path) -> None:
    x = torch.sparse_coo_tensor([[5, 2], [7, 9]], [torch.nan, torch.nan], (10**6, 10**6))
    assert found({"x": x}, tmp_path) == [("x", "nan", (2, 9))]


def test_float8_knows_nan_too(tmp_path: Path) -> None:
    x = normal(20, 20)
    x[4, 5] = torch.nan
    for dtype in (torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e8m0fnu):
        assert ("x", "nan", (4, 5)) in found({"x": x.to(dtype)}, tmp_path)


def test_what_is_zero_or_constant_is_told_but_integers_may_be_what_they_are(tmp_path: Path) -> None:
    tensors = {
        "zeros": torch.zeros(3, 4),
        "ones": torch.ones(7, dtype=torch.bfloat16),
        "ints": torch.zeros(5, dtype=torch.int64),
        "mask": torch.zeros(5, 5, dtype=torch.bool),
        "scalar": torch.tensor(0.0),
        "nothing": torch.zeros(0, 3),
        "quantised": torch.quantize_per_tensor(torch.zeros(4, 4), 0.1, 3, torch.qint8),
    }
    assert [entry[:2] for entry in found(tensors, tmp_path)] == [
        ("zeros", "zero"), ("ones", "constant"), ("quantised", "zero"),
    ]  # fmt: skip


def test_dead_rows_and_columns_are_named(tmp_path: Path) -> None:
    x = normal(50, 60)
    x[[3, 7]] = 0
    x[:, 20] = 0
    health = health_of({"x": x}, tmp_path)
    assert [(finding.kind, finding.text, finding.index) for finding in health.findings] == [
        ("dead rows", "2 of 50 rows are all zero: 3, 7", (3, 0)),
        ("dead columns", "1 of 60 columns are all zero: 20", (0, 20)),
    ]


def test_dead_channels_of_a_convolution_are_its_rows_and_columns(tmp_path: Path) -> None:
    x = normal(16, 8, 3, 3)
    x[5] = 0
    x[:, 2] = 0
    assert found({"x": x}, tmp_path) == [("x", "dead rows", (5, 0, 0, 0)), ("x", "dead columns", (0, 2, 0, 0))]


@pytest.mark.parametrize("shape", [(2, 3_000_000), (3_000_000, 2), (2, 3, 1_000_000), (1, 6_000_000)])
def test_dead_rows_of_tensors_of_any_form_are_found(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = normal(*shape)
    x[-1] = 0
    kinds = [entry[1:] for entry in found({"x": x}, tmp_path)]
    if shape[0] == 1:
        assert kinds == [("zero", None)]
    elif shape[1] == 2:
        assert kinds == []
    else:
        assert kinds == [("dead rows", (1, *[0] * (len(shape) - 1)))]


def test_scattered_zeros_kill_nothing(tmp_path: Path) -> None:
    x = normal(100, 100)
    x[torch.rand(100, 100, generator=torch.Generator().manual_seed(2)) < 0.5] = 0
    assert found({"x": x}, tmp_path) == []


def test_the_layer_that_explodes_against_its_siblings_is_told(tmp_path: Path) -> None:
    tensors = layers(12)
    tensors["model.layers.7.mlp.up.weight"] *= 30
    tensors["model.layers.3.norm.weight"][2] = 50
    health = health_of(tensors, tmp_path)
    assert [(finding.node.name, finding.kind) for finding in health.findings] == [
        ("model.layers.3.norm.weight", "exploding"),
        ("model.layers.7.mlp.up.weight", "exploding"),
    ]
    assert "times the median of the 12 model.layers.*.mlp.up.weight" in health.findings[1].text


def test_the_state_of_an_optimizer_is_looked_at_as_well(tmp_path: Path) -> None:
    model = torch.nn.Sequential(*[torch.nn.Linear(4, 4) for _ in range(5)])
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    state = optimizer.state_dict()
    for number, moments in state["state"].items():
        moments["exp_avg"] += 1 + 1000.0**number
    state["state"][1]["exp_avg_sq"][2] = torch.nan
    everything = health_of({"optimizer": state}, tmp_path).findings
    assert [(finding.node.name, finding.kind) for finding in everything if finding.kind in ("nan", "exploding")] == [
        ("optimizer.state.1.exp_avg_sq", "nan")
    ]


def test_marks_rise_to_the_modules_above_the_worst_first(tmp_path: Path) -> None:
    tensors = layers(3)
    tensors["model.layers.1.mlp.up.weight"] *= 0
    tensors["model.layers.1.norm.weight"][0] = torch.nan
    health = health_of(tensors, tmp_path)
    root = health.checkpoint.root

    def mark(name: str) -> str | None:
        finding = health.marks.get(health.checkpoint[name] if name else root)
        return finding.kind if finding is not None else None

    assert [mark(name) for name in ("", "model", "model.layers", "model.layers.1")] == ["nan"] * 4
    assert mark("model.layers.1.mlp") == "zero"
    assert mark("model.layers.0") is None


def test_a_tensor_that_can_not_be_read_is_a_finding_and_the_others_are_looked_at(tmp_path: Path) -> None:
    checkpoint = checkpoint_of({"a": torch.ones(4), "b": torch.zeros(4), "c": torch.zeros(4)}, tmp_path)
    b = checkpoint["b"]
    b.storage.nbytes = 3  # type: ignore[attr-defined]
    health = Health(checkpoint)
    health.run()
    assert [(finding.node.name, finding.kind) for finding in health.findings] == [
        ("a", "constant"), ("b", "unread"), ("c", "zero"),
    ]  # fmt: skip
    assert "3" in health.findings[1].text


def test_stopping_keeps_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuts, "BLOCK", 1 << 12)

    class Enough(BaseException):
        pass

    heard: list[tuple[int, list[Finding]]] = []

    def stop(health: Health) -> None:
        heard.append((health.done, list(health.findings)))
        if len(health.statistics) == 2:
            raise Enough

    tensors = {name: torch.full((64, 64), torch.nan) for name in "abcd"}
    health = Health(checkpoint_of(tensors, tmp_path))
    with pytest.raises(Enough):
        health.run(stop)
    assert len(health.statistics) == 2
    assert [finding.node.name for finding in health.findings] == ["a", "b"]
    assert health.checkpoint.root in health.marks
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert health.total == 4 * 64 * 64 * 4


def test_tensors_in_one_place_are_read_once_and_told_under_each_name(tmp_path: Path) -> None:
    x = torch.full((3, 3), torch.nan)
    health = health_of({"a": x, "b": x}, tmp_path)
    assert [finding.node.name for finding in health.findings] == ["a", "b"]
    assert health.total == 36
