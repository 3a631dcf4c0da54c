"""`python -m training STEP`: each step of making a model, from a look at the data to the published weights."""

import sys

from training.command_line import main

if __name__ == "__main__":
    sys.exit(main())
