"""Places to run the program in: a machine without torch, reached through a pty, tmux, SSH and each inside the other."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.terminal.ssh import Server
from tests.terminal.terminal import environment

PACKAGES = {"sshd": "openssh-server", "tmux": "tmux", "screen": "screen"}


def require(program: str) -> None:
    """Skip the test where a program is missing; fail in CI, whose script installs it."""
    if shutil.which(program, path=environment()["PATH"]):
        return
    message = f"{program} is not installed (Debian's package {PACKAGES[program]})"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def box(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a login finds set on a machine that has `torchtui` but no torch: its import fails there."""
    folder = tmp_path_factory.mktemp("box")
    (folder / "torch.py").write_text('raise ImportError("there is no torch on this machine")\n')
    if not Path(sys.executable).with_name("torchtui").exists():
        pytest.fail("torchtui is not installed beside this Python: pip install -e '.[test]'")
    return environment(PYTHONPATH=str(folder))


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory, box: dict[str, str]) -> Iterator[Server]:
    """An SSH server on such a machine."""
    require("sshd")
    logged_in = {name: box[name] for name in ("PATH", "PYTHONPATH", "LANG", "COLORTERM")}
    server = Server(tmp_path_factory.mktemp("ssh"), logged_in)
    yield server
    server.stop()


@pytest.fixture
def tmux() -> Iterator[Callable[..., list[str]]]:
    """Makes the command line that runs another one inside a tmux server of its own, with tmux's default settings."""
    require("tmux")
    # A socket's path may have 107 bytes, which pytest's folders exceed.
    folder = tempfile.mkdtemp(prefix="tmux-")
    socket = f"{folder}/socket"

    def inside(*command: str) -> list[str]:
        return ["tmux", "-S", socket, "-f", "/dev/null", "new-session", shlex.join(command)]

    yield inside
    subprocess.run(["tmux", "-S", socket, "kill-server"], stderr=subprocess.DEVNULL, check=False)
    shutil.rmtree(folder)
