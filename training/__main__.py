"""`python -m training STEP`: each step from exploring the data to publishing the weights."""

import sys

from training.command_line import main

if __name__ == "__main__":
    sys.exit(main())
