"""Nothing in a file is ever executed or imported: files whose pickle would run a command, watched by an audit hook."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import inspector
from tests.inspector.samples import Pickler, archive, zipped

PACKAGE = Path(inspector.__file__).parent
TUI = PACKAGE.parent / "tui"

CALLABLES = {
    "os system": b"touch pwned",
    "posix system": b"touch pwned",
    "subprocess Popen": b"touch pwned",
    "subprocess check_output": b"touch pwned",
    "builtins exec": b"open('pwned', 'w')",
    "builtins eval": b"open('pwned', 'w')",
    "__builtin__ eval": b"open('pwned', 'w')",
    "builtins compile": b"open('pwned', 'w')",
    "builtins __import__": b"evil",
    "builtins open": b"pwned",
    "builtins getattr": b"evil",
    "importlib import_module": b"evil",
    "runpy run_path": b"evil.py",
    "pickle loads": b"cevil\nrun\n)R.",
    "marshal loads": b"x",
    "shutil rmtree": b"victim",
    "pathlib Path.touch": b"pwned",
    "evil run": b"anything",
    "evil Thing": b"anything",
    "torch.hub load": b"evil",
    "torch load": b"evil.py",
    "torch.storage _load_from_bytes": b"cevil\nrun\n)R.",
    "numpy load": b"evil.py",
    "numpy.core.multiarray _reconstruct": b"evil",
    "code interact": b"x",
    "pty spawn": b"/bin/sh",
    "webbrowser open": b"http://127.0.0.1:9/",
    "socket create_connection": b"127.0.0.1",
    "ctypes CDLL": b"libc.so.6",
    "functools partial": b"x",
    "operator methodcaller": b"x",
    "torch._utils _rebuild_from_type_v2": b"x",
}
"""What a pickle could name, and what it would be called with."""


def ways(module: str, name: str, argument: bytes) -> Iterator[bytes]:
    """The call, made by every opcode that can make one."""
    text = Pickler.text(argument.decode())
    named = Pickler.name(module, name)
    stacked = Pickler.text(module) + Pickler.text(name) + b"\x93"
    state = Pickler.dict(x=text)
    for callee in (named, stacked):
        yield callee + text + b"\x85R"
        yield callee + text + b"\x85\x81"
        yield callee + text + b"\x85}\x92"
        yield callee + b")" + state + b"\x92"
        yield b"(" + callee + text + b"o"
        yield callee + b")\x81" + state + b"b"
        yield callee + b")R" + text + b"b"
        yield callee + b")R(" + text + text + b"e"
        yield callee + b")R(" + text + text + b"u"
        yield callee + state + b"b"
        yield b"}" + callee + b")R" + text + b"s"
        yield Pickler.call("torch._utils", "_rebuild_from_type_v2", callee, callee, text + b"\x85", state)
        yield Pickler.call("copyreg", "_reconstructor", callee, callee, text)
        yield Pickler.call("functools", "partial", callee, text) + Pickler.tuple(callee, text + b"\x85", b"}", b"N") + b"b"
        yield Pickler.call("builtins", "map", callee, text + b"\x85")
        yield callee + Pickler.text("a") + b"\x85Q" + text + b"\x85R"
        yield Pickler.tuple(Pickler.text("storage"), callee, text, text, b"K\x01") + b"Q"
        yield Pickler.made("torch.nn.modules.linear", "Linear", Pickler.dict(
            _parameters=Pickler.dict(weight=callee + text + b"\x85R"), _buffers=b"}", _modules=Pickler.dict(a=callee + text + b"\x85R"),
            __setstate__=callee, __repr__=callee, forward=callee))  # fmt: skip
    if "." not in name:
        yield b"(" + text + b"i" + f"{module}\n{name}\n".encode()


def hostile() -> Iterator[bytes]:
    """Every call in every file format that a pickle lies in."""
    magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
    info = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
    for number, (path, argument) in enumerate(CALLABLES.items()):
        module, _, name = path.partition(" ")
        for way, body in enumerate(ways(module, name, argument)):
            pickled = b"\x80\x04" + body + b"."
            yield archive(pickled)
            if (number + way) % 4 == 0:
                yield magic + b"\x80\x02M\xe9\x03." + info + pickled + b"\x80\x02]."
                yield pickled
                yield zipped({"a/data.pkl": pickled, "a/constants.pkl": pickled, "a/code/x.py": b"import evil"})
                yield zipped({"a/.data/extern_modules": b"evil", "a/.data/version": b"1", "a/model/model.pkl": pickled})
                header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
                yield b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header + b"\n" + pickled


WATCH = """
import io, json, os, sys
sys.path.insert(0, os.getcwd())
seen = []
watching = False

def hook(event, arguments):
    if not watching or event in (
        "os.scandir", "os.listdir", "sys._getframe", "object.__getattr__", "builtins.id", "gc.get_objects", "array.__new__",
    ):
        return
    if event == "open" and arguments[1] in (None, "r", "rb") and not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        return
    if event == "import" and arguments[0].partition(".")[0] in ("inspector", "numpy", "ml_dtypes"):
        return
    if event in ("compile", "exec", "marshal.loads", "object.__setattr__") and importing():
        return
    seen.append([event, [repr(argument)[:80] for argument in arguments]])

def importing():
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False

import inspector
from inspector.nodes import Module, Tensor, Value
from inspector.pickles.objects import text
with inspector.open("good.pt") as model:
    repr(model), [tensor.numpy() for tensor in model.tensors()]
sys.addaudithook(hook)
before = set(sys.modules)
opened = refused = 0
watching = True
for name in sorted(os.listdir("hostile")):
    try:
        with inspector.open("hostile/" + name) as model:
            opened += 1
            for node in model.root.walk():
                node.label, node.name, node.expression
                if isinstance(node, Value):
                    text(node.value)
                if isinstance(node, Tensor):
                    try:
                        repr(node), node.numpy()
                    except inspector.InspectorError:
                        pass
                if isinstance(node, Module):
                    repr(node), text(list(node.attributes.values()))
            model.state_dict(), list(model.named_parameters()), list(model.named_modules())
            [text(call.instance) for call in model.calls]
            [read() for read in getattr(model, "texts", {}).values()]
    except inspector.InspectorError:
        refused += 1
watching = False
new = sorted(name for name in set(sys.modules) - before if name.partition(".")[0] not in ("inspector", "numpy", "ml_dtypes"))
print(json.dumps({"seen": seen, "new": new, "opened": opened, "refused": refused, "evil": "evil" in sys.modules}))
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path, int]:
    """What an audit hook saw in a process that opened all the hostile files, walked them and printed them."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "hostile").mkdir()
    (folder / "victim").mkdir()
    (folder / "evil.py").write_text(
        "open('pwned', 'w')\n\ndef run(*arguments):\n    open('pwned', 'w')\n\nclass Thing:\n"
        "    def __new__(cls, *arguments, **keywords):\n        open('pwned', 'w')\n"
    )
    good = Pickler.tensor(Pickler.storage("FloatStorage", "0", 2), 0, (2,), (1,))
    (folder / "good.pt").write_bytes(archive(b"\x80\x02" + Pickler.dict(a=good) + b".", {"0": bytes(8)}))
    count = 0
    for count, data in enumerate(hostile(), 1):
        (folder / "hostile" / f"{count:05}.pt").write_bytes(data)
    environ = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    run = subprocess.run(
        [sys.executable, "-c", WATCH], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout), folder, count


def test_what_a_pickle_names_is_not_imported_called_or_written(watched: tuple[dict[str, object], Path, int]) -> None:
    told, folder, count = watched
    assert told["seen"] == []
    assert told["evil"] is False
    assert not (folder / "pwned").exists() and (folder / "victim").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["evil.py", "good.pt", "hostile", "victim"]
    assert told["opened"] > 700 and told["opened"] + told["refused"] == count  # type: ignore[operator]


def test_these_files_would_really_do_harm(tmp_path: Path) -> None:
    """The watched files are no duds: `pickle` itself runs what they name."""
    (tmp_path / "evil.py").write_text("open('pwned', 'w')\ndef run(*arguments): pass\n")
    harmed = 0
    for body in list(ways("evil", "run", b"x"))[:12]:
        (tmp_path / "p").write_bytes(b"\x80\x04" + body + b".")
        code = "import pickle; pickle.loads(open('p', 'rb').read())"
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False)
        harmed += (tmp_path / "pwned").exists()
        (tmp_path / "pwned").unlink(missing_ok=True)
        if harmed == 3:
            break
    assert harmed == 3


# The contract: nothing that could run a file is within reach of the code that reads it.

FORBIDDEN_MODULES = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "runpy", "code", "codeop", "pty",
    "subprocess", "multiprocessing", "ctypes", "imp", "zipimport", "torch", "textual", "rich",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
FORBIDDEN_METHODS = {
    ("np", "load"), ("numpy", "load"), ("np", "loadtxt"), ("np", "genfromtxt"), ("os", "system"), ("os", "popen"),
    ("os", "execv"), ("os", "spawnv"), ("os", "posix_spawn"), ("os", "fork"), ("importlib", "import_module"),
}  # fmt: skip
ALLOWED = {
    # Hands a tensor to torch, when the person who has it installed asks for that; loads nothing.
    ("torch_tensors.py", "torch"),
    ("export.py", "torch"),
    # Starts this very interpreter to help with counting; the code it runs stands in that file.
    ("helper.py", "subprocess"),
}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_code_that_reads_can_run_a_file(path: Path) -> None:
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(path.name, alias.name.partition(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((path.name, (node.module or "").partition(".")[0]))
        elif isinstance(node, ast.Name) and node.id in FORBIDDEN_CALLS:
            found.append((path.name, node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if (node.value.id, node.attr) in FORBIDDEN_METHODS:
                found.append((path.name, f"{node.value.id}.{node.attr}"))
            if node.attr == "load" and node.value.id == "torch":
                found.append((path.name, "torch.load"))
    forbidden = (
        FORBIDDEN_MODULES | FORBIDDEN_CALLS | {f"{module}.{name}" for module, name in FORBIDDEN_METHODS} | {"torch.load"}
    )
    assert [use for use in found if use[1] in forbidden and use not in ALLOWED] == []


def test_only_names_that_stand_in_the_code_are_imported_by_name() -> None:
    """`import_module` is given a name as it stands there, or one of those in the tables of formats and schemes."""
    given = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "import_module":
                given.add((path.name, ast.unparse(node.args[0])))
    assert given == {
        ("__init__.py", "f'inspector.formats.{row.module}'"),
        ("__init__.py", "f'inspector.schemes.{row.module}'"),
        ("torch_tensors.py", "'torch'"),
        ("compressed.py", "name"),
    }
    assert 'for name in ("compression.zstd", "backports.zstd"):' in (PACKAGE / "formats" / "compressed.py").read_text()
    from inspector.formats import FORMATS

    for row in FORMATS:
        assert row.module.isidentifier() and importlib.util.find_spec(f"inspector.formats.{row.module}") is not None
