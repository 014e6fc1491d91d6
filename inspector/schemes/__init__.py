"""How several tensors of a file make up one: packed weights with their scales, low-rank adapters. One file a scheme.

Adding a scheme is adding a file with `find`, and its row in `SCHEMES`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from inspector.schemes.site import Site


class Row(NamedTuple):
    """A scheme: the file of this folder that knows it, what it is called, and the keys by which a module has it."""

    module: str
    name: str
    keys: tuple[str, ...]


SCHEMES = (
    Row("gptq", "GPTQ", ("qweight",)),
    Row("awq", "AWQ", ("qweight",)),
    Row("bitsandbytes", "bitsandbytes, 4 and 8 bits", ("quant_map", "SCB")),
    Row("compressed_tensors", "compressed-tensors", ("weight_packed",)),
    Row("scaled", "float8 and int8 with scales", ("weight_scale", "weight_scale_inv")),
    Row("fp4", "NVFP4 and MXFP4", ("weight_packed", "weight_scale_2", "gate_up_proj_blocks", "down_proj_blocks")),
    Row("hqq", "HQQ", ("W_q",)),
    Row("torchao", "torchao", ("_weight_qdata",)),
    Row("lora", "LoRA and PEFT", ("lora_A", "lora_embedding_A", "lora_down")),
)
"""Every scheme. A module may have the keys of several; each looks at what else is there."""


class Scheme(Protocol):
    """What a file of this folder offers."""

    def find(self, site: Site) -> None:
        """Tells `site` which of its tensors make up one, if they do. May raise `InspectorError`: then they do not."""
        ...


def module(row: Row) -> Scheme:
    """The file that knows a scheme, imported when it is first needed."""
    found: Scheme = import_module(f"inspector.schemes.{row.module}")
    return found
