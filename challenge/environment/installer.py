"""uv or pip: finding one, and installing with it. Standard library only."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from challenge.environment.bootstrap import ROOT

TOOLS = ROOT / ".tools"
UV_NAMES = {
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "cert": "SSL_CERT_FILE",
}
"""A setting of pip -> the variable that tells uv the same."""


class SetupError(Exception):
    """The environment cannot be made; the text says what the user can do."""


@dataclass(frozen=True)
class Installer:
    """How to install into the environment of one Python."""

    command: tuple[str, ...]  # `uv pip install …` or `python -m pip install …`
    is_uv: bool
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def install(self, *arguments: str, quiet: bool = False) -> bool:
        """Install; whether it went well. Relative paths start at the repository's root."""
        done = subprocess.run(
            [*self.command, *arguments], cwd=ROOT, env=self.environment, capture_output=quiet
        )
        return done.returncode == 0


def say(text: str) -> None:
    """Report one step of the setup."""
    print(f"[setup] {text}", flush=True)


def find_uv(wish: str) -> str | None:
    """Find the uv on the path, or the one in `.tools`, put there by pip if need be; None: do
    without.
    """
    if wish not in ("auto", "uv", "pip"):
        raise SetupError(f"KIT_INSTALLER={wish}: expected auto, uv or pip")
    if wish == "pip":
        return None
    own = str(TOOLS / "bin" / "uv")
    found = shutil.which("uv") or shutil.which(own)
    if found is None:
        say("fetching uv, a fast installer, into .tools")
        fetch = [sys.executable, "-m", "pip", "install", "--quiet", "--retries=1", "--upgrade"]
        subprocess.run([*fetch, "--target", str(TOOLS), "uv"], capture_output=True)
        found = shutil.which(own)
    if found is None and wish == "uv":
        raise SetupError("KIT_INSTALLER=uv, but uv is neither here nor to be had by pip")
    return found


def make_installer(python: str, uv: str | None) -> Installer:
    """Make an installer for the environment of that Python."""
    if uv is None:
        return Installer((python, "-m", "pip", "install"), is_uv=False)
    environment = uv_environment(os.environ, read_pip_config())
    return Installer((uv, "pip", "install", "--python", python), True, environment)


def own_installer() -> Installer:
    """Choose what installs into the running environment."""
    has_pip = importlib.util.find_spec("pip") is not None
    wish = os.environ.get("KIT_INSTALLER") or ("pip" if has_pip else "auto")
    return make_installer(sys.executable, find_uv(wish))


def failure(output: str, package: str, sha256: str) -> str:
    """Say in one sentence what pip or uv said of a package that is pinned by its hash."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    text = " ".join(lines).lower()
    if "do not match the hashes" in text or "hash mismatch" in text:
        return f"{package} is not the pinned archive: expected SHA-256 {sha256}"
    errors = [line for line in lines if line.lower().startswith(("error", "cause", "caused"))]
    last = (errors or lines or ["no reason was given"])[-1]
    reason = re.sub(r"^(error|caused?)( by)?: *", "", last, flags=re.IGNORECASE)
    return f"{package} cannot be downloaded: {reason}"


@functools.cache
def read_pip_config() -> dict[str, str]:
    """Read pip's settings of the names in UV_NAMES: from its files, and over them from PIP_*."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True).stdout
    found = dict(re.findall(r"^\w+\.([\w-]+)='(.*)'$", listing, re.M))
    for name in UV_NAMES:
        if text := os.environ.get(f"PIP_{name.upper().replace('-', '_')}"):
            found[name] = text
    return {name: found[name].replace("\\n", " ").strip() for name in UV_NAMES if name in found}


def uv_environment(environment: Mapping[str, str], pip_config: Mapping[str, str]) -> dict[str, str]:
    """Hand pip's folders of wheels, index and certificate on to uv, which reads none of them.

    What `environment` says to uv itself goes before what pip is told.
    """
    told = {UV_NAMES[name]: text for name, text in pip_config.items()}
    if "find-links" in pip_config:
        told["UV_FIND_LINKS"] = ",".join(pip_config["find-links"].split())
    return {**told, **environment}


def installed_version(python: str, name: str) -> str:
    """Return the version of a distribution in the environment of that Python; "" if it has none."""
    code = "import sys; from importlib import metadata; print(metadata.version(sys.argv[1]))"
    done = subprocess.run([python, "-c", code, name], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""
