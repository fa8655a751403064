"""Generated kernels on disk: written once, compiled once, found again by every later start."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType

import numba


def cache_directory() -> Path:
    """Where kernels are kept: $HAMMER2_CACHE, or the user's cache directory."""
    root = os.environ.get("HAMMER2_CACHE")
    if root:
        return Path(root) / "explorer"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hammer2-cluster" / "explorer"


def module_name(text: str) -> str:
    """The name of the module with this text: its hash, and that of what compiles it."""
    return "kernels_" + hashlib.sha256((_stamp() + text).encode()).hexdigest()[:24]


@cache
def _stamp() -> str:
    """What else the machine code depends on."""
    options = "".join(Path(__file__).with_name(name).read_text(encoding="utf-8") for name in ("jit.py", "prefetch.py"))
    return f"{numba.__version__} {sys.version} {options}"


def load(text: str) -> ModuleType:
    """The module with this text, from the disk if it has been there before. What it imports is loaded already."""
    name = module_name(text)
    if name in sys.modules:
        return sys.modules[name]
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.py"
    if not path.exists():
        # Two starts at once each write a file of their own; the rename decides, and both have the same text.
        with tempfile.NamedTemporaryFile("w", dir=directory, suffix=".new", delete=False) as file:
            file.write(text)
        Path(file.name).replace(path)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
