"""What a file says besides its tree: metadata, what a load would call, details; what has no room is marked."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.package

from tests.tui.conftest import exploring


async def test_the_metadata_page_counts_texts_and_what_a_load_would_call(legacy: Path):
    async with exploring(legacy) as person:
        await person.press("i")
        await person.see("Nothing in this file was run")
        assert "Texts to read: 3 texts" in person.screen
        assert "Calls outside plain data that loading it with pickle would make: " in person.screen


async def test_details_tell_how_much_of_a_storage_is_used(tmp_path: Path):
    torch.save({"part": torch.zeros(1000, 1000)[:2, :3]}, tmp_path / "part.pt")
    async with exploring(tmp_path / "part.pt", size=(160, 36)) as person:
        await person.see("unused      4.0 MB of the 4.0 MB in storages belong to no tensor")
        await person.press("j")
        await person.see("this tensor takes 24 B of it")


async def test_details_of_a_sharded_tensor_name_its_file(tmp_path: Path):
    import torch.distributed.checkpoint as dcp

    dcp.save({"weight": torch.ones(4, 3)}, checkpoint_id=tmp_path / "step", no_dist=True)
    async with exploring(tmp_path / "step") as person:
        await person.press("j")
        await person.see("stored in   1 piece, in __0_0.distcp")


async def test_the_metadata_page_shows_nested_metadata_as_an_outline(tmp_path: Path):
    from safetensors.torch import save_file

    save_file({"a": torch.ones(2)}, tmp_path / "a.safetensors", {"tags": '{"dog": {"count": 3}}', "title": "x" * 30})
    async with exploring(tmp_path / "a.safetensors", size=(80, 24)) as person:
        await person.press("i")
        await person.see("  dog  1 entry")
        assert "    count  3" in person.screen
        assert f"title             {'x' * 30}" in person.screen


async def test_x_shows_what_a_load_would_call(legacy: Path):
    async with exploring(legacy) as person:
        await person.press("x")
        await person.see("oldnet.Tagger")
        assert "othing in this file was run" in person.screen
        await person.press("x")
        await person.see("Tagger(")


async def test_where_the_title_has_no_room_it_says_that_there_is_more(checkpoint: Path):
    async with exploring(checkpoint, size=(80, 24)) as person:
        await person.see("float32")
        assert person.lines[0].endswith(" …")
        assert "PyTorch zip · " in person.lines[0]


async def test_a_name_too_long_for_its_heading_is_cut_with_a_mark(tmp_path: Path):
    torch.save({"a" * 300: torch.ones(2)}, tmp_path / "long.pt")
    async with exploring(tmp_path / "long.pt", size=(120, 24)) as person:
        await person.press("j")
        await person.see("expression")
        assert person.lines[1].endswith("a…")
        await person.press("i")
        await person.see("Metadata")
        assert "…" not in person.lines[0] or person.lines[0].endswith("…")


async def test_a_file_without_tensors_does_not_count_them(tmp_path: Path):
    torch.save({"epoch": 3}, tmp_path / "none.pt")
    async with exploring(tmp_path / "none.pt") as person:
        assert person.lines[0].strip() == "none.pt  PyTorch zip · no tensors"


async def test_an_array_in_a_pickle_has_no_storage_named_none(tmp_path: Path):
    torch.save({"a": torch.ones(2, 3).numpy(), "s": torch.ones(2, 3).to_sparse()}, tmp_path / "arrays.pt")
    async with exploring(tmp_path / "arrays.pt") as person:
        await person.press("j")
        await person.see("storage     24 B, cpu")
        await person.press("j")
        await person.see("storage     in its parts, cpu")
        assert "stride" not in person.screen


async def test_a_text_of_several_lines_has_them_in_the_details(tmp_path: Path):
    torch.save({"chat_template": "{% if x %}\n  hello\x1b\n{% endif %}"}, tmp_path / "text.pt")
    async with exploring(tmp_path / "text.pt") as person:
        await person.press("j")
        await person.see("type        str")
        shown = [line.partition("▏")[2].rstrip() for line in person.lines]
        place = shown.index(" {% if x %}")
        assert shown[place + 1 : place + 3] == ["   hello\\x1b", " {% endif %}"]
