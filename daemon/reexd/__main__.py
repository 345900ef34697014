"""`python -m reexd` is `reexd`."""

from reexd.main import main

main()
