"""Every pickle that lies in a file, whatever the file is: what a load reads, and what is hidden where none looks.

Archives are searched member by member, also those behind another of the same name and those that the directory leaves
out; compressed files are unpacked; behind each pickle the next one is looked for, and in the bytes that calls are given.
Everything is read by the machine of `inspector.pickles`, which calls nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from inspector import formats
from inspector.errors import InspectorError, NotAModel, brief
from inspector.formats import Found, Opening, compressed, dcp, deepspeed, legacy, npy_header, others, tar01
from inspector.formats.torch_zip import root_of
from inspector.formats.zips import LOCAL, Zip
from inspector.loading.hidden_members import Hidden, between, within
from inspector.loading.within import Place, Within, bytes_in, there
from inspector.pickles.cursor import Cursor
from inspector.pickles.frames import crossing
from inspector.pickles.opcodes import AtLimit
from inspector.pickles.pickled import Pickled
from inspector.pickles.running import run
from inspector.pickles.storages import Named
from inspector.pickles.tensors import BUILDERS
from inspector.sources import Bytes, LocalFile, Part, Source

DEEPEST = 8
"""How many files may lie in each other."""

MOST = 200_000
"""Places where a pickle could be that are looked at."""

ROW = 10_000
"""Pickles that follow each other in one place and are looked at."""

UNREAD = "torch.load does not read it"
BEHIND = "it stands behind what is read"
TWIN = "it is hidden behind another member of that name"
LEFT_OUT = "the directory of the archive leaves it out"


class Search:
    """Looks for pickles in what lies at a path.

    `pickles` are those that were found, `problems` what could not be looked at or is read otherwise by others; with
    something that could not be looked at, it is not `complete`.
    """

    def __init__(self, found: Found, opening: Opening) -> None:
        self.found = found
        self.opening = opening
        self.pickles: list[Within] = []
        self.problems: list[str] = []
        self.complete = True
        self.waiting: list[Place] = []
        self.count = 0

    def run(self) -> None:
        """Does it. Raises `NotAModel` for what no format recognises and holds no pickle; what hits a limit is a problem."""
        row = formats.recognise(self.found)
        source = self.found.source
        files: list[LocalFile] = []
        try:
            path, module = Path(self.found.path), row.module if row is not None else ""
            if source is None:
                self.folder(path, module, files)
            elif module == "dcp" and (inside := dcp.archives(path.parent, self.opening).get(path.name)):
                self.waiting += reversed(_archives(source, inside))
            else:
                self.waiting.append(Place("", there(source), expected=True))
            while self.waiting and self.count < MOST:
                self.look(self.waiting.pop())
        finally:
            for file in files:
                file.close()
        if self.waiting:
            self.miss(
                self.waiting[-1], f"there are more than {MOST} places where a pickle could be; the rest was not looked at"
            )
        if row is None and not any(within.pickled.calls or within.pickled.names for within in self.pickles):
            raise NotAModel(others.explain(self.found))

    def folder(self, path: Path, module: str, files: list[LocalFile]) -> None:
        """The files of a folder that is one model."""
        if module == "deepspeed":
            path = deepspeed.step_folder(path, self.found.names)
        inside = dcp.archives(path, self.opening) if module == "dcp" else {}
        places: list[Place] = []
        for name in sorted(entry.name for entry in path.iterdir()):
            try:
                file = LocalFile(str(path / name))
            except InspectorError:
                # A folder in it, or what is no file.
                continue
            files.append(file)
            places += _archives(file, inside[name], name) if name in inside else [Place(name, there(file))]
        self.waiting += reversed(places)

    def look(self, place: Place) -> None:
        """Finds the pickles of one place, and further places in it."""
        self.count += 1
        try:
            self.opening.clock.check()
            if place.depth > DEEPEST:
                self.miss(place, f"files lie in each other more than {DEEPEST} deep")
                return
            source = place.open()
            if source.size:
                self.search(place, source)
        except InspectorError as error:
            self.miss(place, str(error))

    def miss(self, place: Place, why: str) -> None:
        """Something in a place could not be looked at."""
        self.complete = False
        self.tell(place, why)

    def tell(self, place: Place, problem: str) -> None:
        """A problem with something in a place."""
        self.problems.append(f"{brief(place.name)}: {problem}" if place.name else problem)

    def search(self, place: Place, source: Source) -> None:
        """The pickles of what begins as one of the files that hold some, or as a pickle itself."""
        inside = Found(place.name, source, limits=self.opening.limits)
        head = inside.head
        start = legacy.beginning(head)
        if compressed.recognises(inside):
            self.waiting.append(place.inner("unpacked", lambda: Bytes(compressed.unpacked(inside, self.opening).data)))
        elif inside.archive is not None:
            self.zip(place, inside.archive)
        elif head.startswith(LOCAL):
            self.miss(place, "the archive's directory is missing: only what its first members hold was looked at")
            self.members(place, within(source, 0, source.size), "")
        elif head[257:262] == b"ustar":
            self.tar(place, source)
        elif head.startswith(npy_header.MAGIC):
            header = npy_header.read(source.read)
            if type(header.descr) is str and header.descr.lstrip("<>|=") == "O":
                cursor = self.cursor(source, header.length)
                cursor.peek(min(source.size - header.length, self.opening.limits.pickle))
                self.row(place, cursor)
        elif start is not None:
            self.legacy(place, source, start)
        else:
            self.row(place, self.cursor(source))

    # Pickles in a row.

    def cursor(self, source: Source, position: int = 0) -> Cursor:
        """A reader that goes on where a load would need copyreg's extensions."""
        return Cursor(source, position, self.opening.limits, self.opening.tick(source.size), beyond=True)

    def row(self, place: Place, cursor: Cursor, read: bool = True) -> None:
        """The pickles that follow each other from the cursor on; the first one is what a load reads, if it is `read`."""
        source = cursor.source
        count = 0
        while cursor.position < source.size and self.count < MOST:
            at = cursor.position
            note = "" if read else BEHIND
            if at and cursor.peek(len(LOCAL)) == LOCAL:
                rest = partial(Part, source, at, source.size - at)
                self.waiting.append(place.inner(f"from byte {at}", rest, note))
                return
            if count == ROW:
                self.miss(place, f"more than {ROW} pickles follow each other; the rest was not looked at")
                return
            if not self.looks_like_one(cursor) or self.pickle(place, cursor, Named(), note).broken is not None:
                return
            read = False
            count += 1

    def looks_like_one(self, cursor: Cursor) -> bool:
        """Whether the machine gets anywhere with what stands at the cursor, as it does not with zeros and raw numbers."""
        head = cursor.peek(formats.HEAD)
        if not head.strip(b"\0"):
            return False
        tried = run(head, builders=BUILDERS, limits=self.opening.limits, beyond=True)
        return head[:1] == b"\x80" or bool(tried.calls or tried.names) or tried.broken is None

    def pickle(self, place: Place, cursor: Cursor, storages: Named, note: str = "") -> Pickled:
        """The pickle at the cursor; what a limit left of it is kept too."""
        known = len(cursor.heard)
        try:
            return cursor.pickle(BUILDERS, storages)
        finally:
            self.keep(place, cursor, known, note)

    def keep(self, place: Place, cursor: Cursor, known: int = 0, note: str = "") -> None:
        """Keeps the pickles that the cursor has read since there were `known`, and looks into the bytes they hold."""
        for at, pickled in cursor.heard[known:]:
            self.count += 1
            self.pickles.append(Within(place.name, at, pickled, place.note or note, place.native))
            expected = place.expected and not (place.note or note)
            if isinstance(pickled.broken, AtLimit) or (pickled.broken is not None and expected):
                self.miss(place, str(pickled.broken))
            if pickled.protocol >= 4:
                crossed = crossing(cursor.source.read(at, min(pickled.end, cursor.source.size - at)))
                if crossed is not None:
                    what = "an opcode reaches beyond its frame, and unpicklers differ about what follows"
                    self.miss(place, f"at byte {at + crossed} {what}")
            for name, data in bytes_in(pickled):
                self.waiting.append(place.inner(name, partial(Bytes, data), note))

    # Files of several pickles.

    def legacy(self, place: Place, source: Source, start: int) -> None:
        """What torch.save wrote before 1.6, and what stands before and behind it."""
        if start:
            self.row(place, self.cursor(Part(source, 0, start)))
        cursor = self.cursor(source, start)
        try:
            legacy.load(cursor)
        finally:
            self.keep(place, cursor)
        self.row(place, cursor, read=False)

    def tar(self, place: Place, source: Source) -> None:
        """The members of a tar; those of torch 0.1 are pickles with numbers and bytes between them."""
        parts = tar01.members(source)
        reader = tar01.Reader(self.opening)
        steps = {"storages": reader.storages, "tensors": reader.tensors} if parts.keys() >= tar01.MEMBERS else {}
        for name, part in parts.items():
            inner = place.inner(name, there(part))
            inner.expected = name in tar01.MEMBERS
            if name not in steps:
                self.waiting.append(inner)
                continue
            cursor = self.cursor(part)
            try:
                steps[name](cursor)
            except InspectorError as error:
                self.miss(inner, str(error))
            self.keep(inner, cursor)
            self.row(inner, cursor, read=False)

    # Archives.

    def zip(self, place: Place, archive: Zip) -> None:
        """The pickles of an archive, then everything else in it that is no storage of theirs."""
        root = root_of(archive)
        native = root is not None and archive.find(f"{root}constants.pkl") is not None
        read = {f"{root}data.pkl", f"{root}constants.pkl"} if root is not None else set()
        done: set[int] = set()
        for name in archive.members:
            if not name.lower().endswith(".pkl"):
                continue
            member = archive.members[name]
            if not member.size or id(member) in done:
                continue
            done.add(id(member))
            storages = Named()
            inner = place.inner(name, partial(archive.part, member), UNREAD if read and name not in read else "")
            inner.native = native and name in read
            inner.expected = True
            try:
                cursor = self.cursor(inner.open())
                # How long it is is known: it need not be tried with ever more bytes.
                cursor.peek(min(cursor.source.size, self.opening.limits.pickle))
                self.pickle(inner, cursor, storages)
                self.row(inner, cursor, read=False)
            except InspectorError as error:
                self.miss(inner, str(error))
            for key in storages.known:
                done |= {id(raw) for place_of in _storages(name, key) if (raw := archive.members.get(place_of)) is not None}
        self.members(place, between(archive), LEFT_OUT)
        for member in reversed(archive.directory.members):
            if id(member) not in done and member.size:
                hidden = archive.members[member.name] is not member
                note = TWIN if hidden else UNREAD if read and member.name not in read else ""
                self.waiting.append(place.inner(member.name, partial(archive.part, member), note))
        for problem in archive.problems:
            self.tell(place, problem)

    def members(self, place: Place, hidden: Iterable[Hidden], note: str) -> None:
        """What is no member of a directory."""
        for name, open in hidden:
            self.waiting.append(place.inner(name, open, note))
            self.count += 1
            if self.count >= MOST:
                return


def _archives(source: Source, spans: list[tuple[int, int]], name: str = "") -> list[Place]:
    """The archives that lie in a file of a distributed checkpoint: first byte and length of each."""
    name = f"{name}, byte" if name else "byte"
    return [Place(f"{name} {offset}", there(Part(source, offset, length))) for offset, length in spans]


def _storages(pickle: str, key: str | int) -> Iterator[str]:
    """Where the storage of a key may lie that a pickle in an archive names."""
    folder, _, name = pickle.rpartition("/")
    folder = folder + "/" if folder else ""
    yield f"{folder}data/{key}"
    yield f"{folder}{name[: -len('.pkl')]}/{key}"
    yield f"{pickle.partition('/')[0]}/.data/{key}.storage"
