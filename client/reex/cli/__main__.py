"""`python -m reex.cli`, where the script is not on the path."""

from reex.cli.entry import main

main()
