"""What is freed is there for the next step: no pages are asked for twice."""

import os
import subprocess
import sys

import pytest

COUNT = """
import resource, sys
import torch
from euinet.system.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def pages():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    return [torch.ones(800_000) for _ in range(8)]  # 3.2 MB each
for _ in range(3):
    step()
before = pages()
for _ in range(10):
    step()
print(pages() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_a_step_asks_for_no_new_pages() -> None:
    # glibc's first threshold, held there: by itself it moves with what was freed, and so would the count
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    faults = {
        way: int(subprocess.check_output([sys.executable, "-c", COUNT, way], env=environment, timeout=60))
        for way in ("kept", "plain")
    }
    assert faults["kept"] < 500
    assert faults["plain"] > 10_000  # 10 steps × 8 tensors × 782 pages, but for huge ones
