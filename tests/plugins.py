"""A package of somebody else's, as an installer leaves it: modules, and metadata with entry points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def install(
    folder: Path, package: str, modules: Mapping[str, str], groups: Mapping[str, Mapping[str, str]]
) -> Path:
    """Write modules (name → source) and entry points (group → name → module); return what sys.path needs."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in modules.items():
        path = folder / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    metadata = folder / f"{package.replace('-', '_')}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = []
    for group, points in groups.items():
        lines += [f"[{group}]", *(f"{name} = {module}" for name, module in points.items()), ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    return folder
