"""``python -m payoff``: the command line, for an installation whose scripts are not on the path."""

import sys

from payoff.cli import main

if __name__ == "__main__":
    sys.exit(main())
