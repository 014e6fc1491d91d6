"""The words of `nn.Module` for walking what is below: a module and an opened file have the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from inspector import naming

if TYPE_CHECKING:
    from inspector.nodes import Module, Node, Tensor


class Walks:
    """Walks over the node `_top` and what is below it, with dotted names relative to it."""

    __slots__ = ()

    @property
    def _top(self) -> Node:
        """Where the walks begin."""
        raise NotImplementedError

    def modules(self) -> Iterator[Module]:
        """Every module from here down, each object once, as `nn.Module.modules`."""
        return (module for _, module in self.named_modules())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """The same with their dotted names."""
        return naming.named_modules(self._top)

    def parameters(self) -> Iterator[Tensor]:
        """The parameters, as `nn.Module.parameters`."""
        return (parameter for _, parameter in self.named_parameters())

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Dotted names and parameters, a shared one once, as `nn.Module.named_parameters`.

        Outside an `nn.Module` nothing in a file tells parameters from buffers: there every tensor comes, but for
        those under a name that torch's own layers give only to buffers (`running_mean`) and an optimizer's.
        """
        return naming.named_tensors(self._top, "parameter")

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Dotted names and buffers, a shared one once, as `nn.Module.named_buffers`."""
        return naming.named_tensors(self._top, "buffer")

    def state_dict(self) -> dict[str, Tensor]:
        """Of an `nn.Module` what torch's `state_dict` has, by dotted name; of anything else every tensor.

        Two tensors of the same dotted name (`{"a.b": ..., "a": {"b": ...}}`) are both there, the later as `a.b#2`.
        """
        return naming.state_dict(self._top)

    def __getitem__(self, name: str) -> Node:
        """The node at a dotted name. Raises KeyError where there is none."""
        found = naming.find(self._top, name)
        if found is None:
            raise KeyError(name)
        return found
