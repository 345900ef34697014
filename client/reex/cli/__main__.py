"""`python -m reex.cli`, where the script is not on the path."""

from reex.cli.main import main

main()
