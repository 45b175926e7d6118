"""`python -m unsealed.app` is the `unsealed` command."""

from unsealed.app.cli import main

main()
