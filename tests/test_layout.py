"""The house: no circles, and few loose files at its root. (Its layers are contracts in pyproject.toml.)"""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import euinet


def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("euinet")
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    assert len(tuple(TopologicalSorter(imports).static_order())) == len(graph.modules)  # CycleError names it


def test_few_files_stand_at_the_root() -> None:
    files = {path.name for path in Path(euinet.__file__).parent.glob("*.py")}
    assert len(files) <= 8, files
