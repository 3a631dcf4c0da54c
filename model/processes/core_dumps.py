"""Keep images out of core dumps: a crashing process would write its memory, uploads included, to a file."""

import contextlib
import ctypes
import sys

# Source: prctl(2), <linux/prctl.h>.
_PR_SET_DUMPABLE = 4


def forbid_core_dumps() -> None:
    """Let this process and its children write no core dump, and on Linux let no other process of its user read it.

    A child that runs another program may be read again, and calls this itself.
    """
    # Windows has no limits of this kind, and no core dumps.
    with contextlib.suppress(ImportError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
