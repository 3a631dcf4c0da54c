"""`python -m benchmarks [growth | engines | precision | profile]`: measure, and write what was measured."""

import sys

from benchmarks.command_line import main

if __name__ == "__main__":
    sys.exit(main())
