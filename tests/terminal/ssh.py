"""An OpenSSH server on a loopback port, with keys and settings of its own, that lives as long as the tests need it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

_SERVER = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile {folder}/sshd.pid
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PermitRootLogin yes
PrintMotd no
SetEnv {environment}
"""

_CLIENT = {
    "IdentitiesOnly": "yes",
    "BatchMode": "yes",
    "StrictHostKeyChecking": "no",
    "UserKnownHostsFile": "/dev/null",
    "LogLevel": "ERROR",
    "ConnectTimeout": "10",
}


class Server:
    """A running server. `environment` is what a login there finds set, besides what sshd itself sets."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        said = " ".join(f'"{name}={value}"' for name, value in environment.items())
        (folder / "sshd_config").write_text(_SERVER.format(port=self.port, folder=folder, environment=said))
        if os.getuid() == 0:
            # Where sshd drops its privileges; an init script makes it, but none has run here.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "sshd"
        log = (folder / "log").open("wb")
        self.process = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
        self._wait()

    def command(self, remote: str) -> list[str]:
        """The command line that runs `remote` there in a terminal, as `ssh -t HOST` at a prompt."""
        options = [f"-o{name}={value}" for name, value in _CLIENT.items()]
        key = str(self.folder / "user")
        return ["ssh", "-F", "none", "-tt", *options, "-i", key, "-p", str(self.port), "127.0.0.1", remote]

    def stop(self) -> None:
        """End the server; its connections end by themselves."""
        self.process.terminate()
        self.process.wait(10)

    def _wait(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("sshd did not start:\n" + (self.folder / "log").read_text(errors="replace"))
