"""What a pool's processes do in tests: real crashes, real hunger for memory, real hangs."""

import os
import signal
import time
from collections.abc import Callable


def make_work() -> Callable[[str], str]:
    return work


def work(item: str) -> str:
    match item:
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "hungry":
            return str(len(bytearray(8_000_000_000)))
        case "hangs":
            time.sleep(600)
        case "exits":
            os._exit(3)
    return item.upper()


def cannot_start() -> Callable[[str], str]:
    os._exit(4)
