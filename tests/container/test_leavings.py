"""What user code makes of the folders that it may write to: handed back whole, and no token comes along with it."""

from __future__ import annotations

import os
import subprocess

import pytest

from container.project import Project
from container.runner import Runner
from container.users import BEE, seen

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give the workspace to the runner's user")
HEADER = "AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46Z2hzXzAxMjM0NTY3ODk="


@pytest.mark.parametrize("writable", ["", "other"], ids=["in what is not its own", "in what it may write to"])
def test_a_checkout_however_deep_keeps_its_token(runner: Runner, project: Project, writable: str) -> None:
    config = project.folder / "other" / "sources" / "deep" / ".git" / "config"
    project.write(str(config.relative_to(project.folder)), f'[http "https://github.com/"]\n\textraheader = {HEADER}\n')
    project.write(".gitignore", "other/\n")
    body = """
tried(os.chmod, "other/sources/deep/.git/config", 0o644)
return [tried(Path("other/sources/deep/.git", name).open) for name in ("config", "HEAD")]
"""
    assert seen(runner, project, body, writable=writable) == ["PermissionError", "FileNotFoundError"]
    assert (config.stat().st_mode & 0o777, config.stat().st_uid) == (0o644, BEE)


def test_what_is_nested_or_named_twice_is_the_owners_again(runner: Runner, project: Project) -> None:
    body = """
report, cache = Path("honeyhive-report").resolve(), Path("cache").resolve()
os.link(report / "run.jsonl", cache / "twin")
os.chmod(cache / "twin", 0o666)
for place in (cache, os.environ["HOME"]):
    os.chdir(place)
    for _ in range(9_000):
        os.mkdir("d")
        os.chdir("d")
os.chdir(report.parent)
return os.stat(report).st_uid
"""
    assert seen(runner, project, body, writable="cache") == BEE, "the report is its owner's from the beginning"
    strange = subprocess.run(
        ["find", project.folder, "!", "-uid", str(BEE), "-printf", "%d "], capture_output=True, text=True, check=True
    )
    found = (project.folder / "honeyhive-report" / "run.jsonl").stat()
    subprocess.run(["rm", "-rf", project.folder / "cache"], check=True)
    assert strange.stdout == ""
    assert (found.st_nlink, found.st_mode & 0o777) == (1, 0o644)
