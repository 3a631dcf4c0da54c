"""`python -m training explore | train | evaluate | publish | card`: each step of making a model."""

import sys

from training.command_line import main

if __name__ == "__main__":
    sys.exit(main())
