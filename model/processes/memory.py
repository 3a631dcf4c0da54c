"""Keep the memory of a process small."""

import contextlib
import ctypes
import gc


def keep_memory_together() -> None:
    """Let all threads take memory from two pools: one per thread would hold on to many times what is in use."""
    # Of the GNU C library alone; M_ARENA_MAX of <malloc.h>.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(-8, 2)


def give_back_memory() -> None:
    """Give unused memory back to the operating system: loading a network leaves as much behind as it holds."""
    gc.collect()
    # Of the GNU C library alone.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
