"""What a system lacks that is no Unix: everything that is imported at once does without."""

from __future__ import annotations

import subprocess
import sys

# psutil is another one there: this one asks for `resource`.
LACKING = """
import os, psutil, signal, sys
del signal.SIGHUP
for name in ("fcntl", "grp", "pwd", "resource"):
    sys.modules[name] = None
import honeyhive, honeyhive.cli
import honeyhive.ci.gating, honeyhive.ci.handing, honeyhive.experiments.core
honeyhive.ci.ending.listen_for_signals()
honeyhive.ci.ending.listen_no_more()
"""


def test_the_command_is_imported_and_hears_signals_on_a_system_that_is_no_unix() -> None:
    done = subprocess.run([sys.executable, "-I", "-c", LACKING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
