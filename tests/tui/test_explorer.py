"""The explorer: what a person reads in tree, title, details and values, and how the keys move there."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key

from tests.tui.conftest import exploring


async def test_the_title_says_what_the_file_holds(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.see("float32 [1, 4]")
        await person.until(lambda: "· float32" in person.lines[0])
        assert person.lines[0] == " model.pt  PyTorch zip · 6 tensors · 65 parameters · 260 B · float32"


async def test_the_tree_shows_classes_shapes_counts_and_bytes_in_the_files_order(tutorial: Path):
    async with exploring(tutorial / "model.pt", size=(80, 24)) as person:
        assert person.lines[1:12] == [
            " name  1/10                                                    params     bytes",
            " ▾ model.pt                              PolynomialRegression      65     260 B",
            " │ ▾ fc1                                               Linear       5      20 B",
            " │ │   weight                                  float32 [1, 4]       4      16 B",
            " │ │   bias                                       float32 [1]       1       4 B",
            " │ ▾ fc2                                               Linear      24      96 B",
            " │ │   weight                                  float32 [8, 2]      16      64 B",
            " │ │   bias                                       float32 [8]       8      32 B",
            " │ ▾ fc3                                               Conv2d      36     144 B",
            " │ │   weight                            float32 [4, 2, 2, 2]      32     128 B",
            " │ │   bias                                       float32 [4]       4      16 B",
        ]


async def test_values_stand_in_the_tree_as_python_would_write_them(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.see("epoch")
        assert any(line.split() == ["│", "epoch", "3"] for line in (line[:60] for line in person.lines))


async def test_tied_and_frozen_parameters_have_badges(module: Path):
    async with exploring(module) as person:
        await person.see("tied")
        assert sum("weight tied" in line for line in person.lines) == 2
        assert sum("bias frozen" in line for line in person.lines) == 1


async def test_details_say_everything_about_a_tensor(module: Path):
    async with exploring(module) as person:
        await person.press("]")
        await person.see("tied with")
        for said in (
            "0.weight", "expression  [0].weight", "parameter, trained (requires_grad)", "float32",
            "[20, 8]  160 elements, 640 B", "stride      [8, 1]", "640 B, cpu", "tied with   3.weight",
        ):  # fmt: skip
            assert said in person.screen


async def test_details_of_a_layer_hold_its_class_attributes_and_printed_text(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        for line in (tutorial / "printed.txt").read_text().splitlines():
            await person.see(line)
        await person.press("j")
        await person.see("torch.nn.modules.linear.Linear")
        assert "in_features = 4" in person.screen
        assert "Linear(in_features=4, out_features=1, bias=True)" in person.screen


async def test_the_values_of_the_tensor_under_the_cursor_show(tutorial: Path):
    import torch

    weight = torch.load(tutorial / "state_dict.pt")["fc1.weight"]
    async with exploring(tutorial / "model.pt") as person:
        await person.press("j", "j")
        for value in weight.flatten().tolist():
            await person.see(f"{value:.4f}")


async def test_j_k_and_the_arrows_move_g_and_G_go_to_the_ends(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("j", "down", "j")
        assert person.row == "fc1.bias"
        await person.press("k", "up")
        assert person.row == "fc1"
        await person.press("G")
        assert person.row == "fc3.bias"
        await person.press("j", "j")
        assert person.row == "fc3.bias"
        await person.press("g")
        assert person.row == ""


async def test_l_goes_in_and_h_comes_out(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("j", "h")
        assert "fc1.weight" not in person.rows
        await person.press("l")
        assert "fc1.weight" in person.rows
        await person.press("l")
        assert person.row == "fc1.weight"
        await person.press("l")
        assert person.row == "fc1.weight"
        await person.press("h")
        assert person.row == "fc1"


async def test_J_and_K_go_to_siblings_and_H_to_the_parent(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("j", "J", "J", "J")
        assert person.row == "fc3"
        await person.press("K")
        assert person.row == "fc2"
        await person.press("j", "H")
        assert person.row == "fc2"


async def test_folding_keys_fold(checkpoint: Path):
    async with exploring(checkpoint, size=(120, 12)) as person:
        assert person.rows == ["epoch", "model", "optimizer", "config", "big", "half"]
        await person.press("E")
        assert "model.body.layers.0.self_attn.in_proj_weight" in person.rows
        await person.press("C")
        assert person.rows == ["epoch", "model", "optimizer", "config", "big", "half"]
        await person.press("j", "e")
        assert "model.embed" in person.rows
        assert "config.lr" in person.rows
        await person.press("c")
        assert person.rows == ["epoch", "model", "optimizer", "config", "big", "half"]
        await person.press("j", "space")
        assert "model.embed" in person.rows
        await person.press("enter")
        assert "model.embed" not in person.rows


async def test_brackets_go_from_tensor_to_tensor_through_what_is_collapsed(checkpoint: Path):
    async with exploring(checkpoint, size=(120, 12)) as person:
        await person.press("]", "]")
        assert person.row == "model.body.layers.0.self_attn.in_proj_weight"
        await person.press("[")
        assert person.row == "model.embed.weight"


async def test_the_cursor_stays_in_sight_however_it_moves(checkpoint: Path):
    async with exploring(checkpoint, size=(120, 14)) as person:
        await person.press("E")
        tree = person.app.explorer.module_tree
        for key in ("G", "k", "k", "ctrl+u", "pageup", "g", "ctrl+d", "pagedown", "j", "J", "H"):
            await person.press(key)
            top = tree.top
            assert top <= tree.cursor < top + tree.size.height, key


async def test_the_last_row_of_a_long_tree_is_above_the_bottom_line(checkpoint: Path):
    async with exploring(checkpoint, size=(120, 14)) as person:
        await person.press("E", "G")
        assert person.row == "half"
        assert person.lines[-2].split()[1:3] == ["half", "bfloat16"]
        await person.press("k")
        assert person.lines[-2].split()[1:3] == ["half", "bfloat16"]


async def test_enter_goes_into_the_values_and_escape_comes_back(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("j", "j", "enter", "l")
        assert person.focused == "ValueGrid"
        await person.see("weight[0, 1] = ")
        await person.press("escape")
        assert person.focused == "ModuleTree"


async def test_tab_goes_round_the_panes_that_there_are(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("tab")
        assert person.focused == "Details"
        await person.press("tab")
        assert person.focused == "ModuleTree"
        await person.press("j", "j", "tab")
        assert person.focused == "ValueGrid"
        await person.press("tab", "tab")
        assert person.focused == "ModuleTree"


async def test_z_shows_a_pane_alone_and_all_again(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("z")
        assert "expression" not in person.screen
        assert person.lines[2].endswith("260 B")
        assert len(person.lines[2]) > 110
        await person.press("z")
        assert "torch" in person.lines[2] or "class" in person.lines[2]


async def test_a_narrow_terminal_shows_one_side_at_a_time(tutorial: Path):
    async with exploring(tutorial / "model.pt", size=(80, 24)) as person:
        await person.press("j", "j")
        assert "expression" not in person.screen
        await person.press("tab")
        assert "expression  .fc1.weight" in person.screen
        assert "PolynomialRegression" not in person.screen
        await person.press("escape")
        assert "PolynomialRegression" in person.screen


async def test_a_terminal_that_is_too_small_says_so_and_recovers(tutorial: Path):
    async with exploring(tutorial / "model.pt", size=(40, 10)) as person:
        said = " ".join(person.screen.split())
        assert said == "the terminal is too small (40x10); at least 50x12 is needed"
        await person.pilot.resize_terminal(120, 36)
        await person.see("PolynomialRegression")
        assert "too small" not in person.screen


async def test_columns_give_way_as_the_tree_gets_narrow(tutorial: Path):
    async with exploring(tutorial / "model.pt", size=(50, 14)) as person:
        assert "bytes" not in person.lines[1]
        assert "params" in person.lines[1]
        assert "float32 [4, 2, 2, 2]" in person.screen


async def test_every_text_of_a_file_shows_without_its_escapes_and_as_no_markup(checkpoint: Path):
    async with exploring(checkpoint) as person:
        await person.press("colon")
        await person.type("config.name")
        await person.press("enter")
        await person.see("tiny [bold]run[/bold]\\x1b[31m")
        assert "\x1b" not in person.screen


async def test_the_right_side_follows_a_cursor_that_was_held_down(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.pilot.press("j", "j", "j", "j", "j", "j")
        await person.see("expression  .fc2.bias")


async def test_keys_that_come_in_a_burst_go_where_one_after_the_other_would(tutorial: Path, sent: list[str]):
    async with exploring(tutorial / "model.pt") as person:
        for key, character in [
            ("slash", "/"),
            *zip("fc3", "fc3", strict=True),
            ("enter", "\r"),
            *zip("yn", "yn", strict=True),
        ]:
            person.app.post_message(Key(key, character))
        await person.until(lambda: sent)
        assert sent == ["fc3"]
        assert person.row == "fc3"


async def test_metadata_and_help_are_pages_that_close(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("i")
        await person.see("byteorder")
        assert str(tutorial / "model.pt") in person.screen.replace("\n", "")
        assert "Problems: none" in person.screen
        await person.press("escape")
        assert person.focused == "ModuleTree"
        await person.press("question_mark")
        await person.see("Move through the tree")
        await person.press("question_mark")
        assert person.focused == "ModuleTree"


async def test_q_quits_with_status_0(tutorial: Path):
    async with exploring(tutorial / "model.pt") as person:
        await person.press("q")
        assert not person.app.is_running
        assert person.app.return_code == 0


@pytest.mark.parametrize("menu_or_page", [("y",), ("i",), ("question_mark",), ("j", "j", "enter"), ("tab",)])
async def test_q_quits_from_everywhere(tutorial: Path, menu_or_page: tuple[str, ...]):
    async with exploring(tutorial / "model.pt") as person:
        await person.press(*menu_or_page)
        await person.press("q")
        assert not person.app.is_running


async def test_the_footer_tells_the_keys_of_the_pane(tutorial: Path):
    async with exploring(tutorial / "model.pt", size=(160, 40)) as person:
        for hint in ("/ search", "f filter", ": go to", "y copy", "p print", "w write", "? help", "q quit"):
            assert hint in person.bottom
        await person.press("j", "j", "enter")
        for hint in ("> step", "a axes", "y copy", "? help"):
            assert hint in person.bottom
