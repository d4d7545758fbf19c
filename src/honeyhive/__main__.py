"""`python -m honeyhive`: the command line."""

from honeyhive.cli import main

main()
