"""`python -m quintant`."""

from quintant.cli import main

main()
