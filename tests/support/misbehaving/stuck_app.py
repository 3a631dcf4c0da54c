"""The app with a network that hangs at its first pass in service if the file named in HANG_ONCE exists."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from flask import Flask

from app import create_app as create_whole_app
from model.network.engine import Engine
from web.service import install, service_of


def create_app() -> Flask:
    """Return the app; the first pass removes the file and hangs."""
    app, mark = create_whole_app(), Path(os.environ["HANG_ONCE"])
    service = service_of(app)
    install(app, replace(service, stuck_seconds=1.0))
    turns = service.classifier(None).turns
    alone = turns.engine.alone

    def hang_once(inputs: np.ndarray) -> list[np.ndarray]:
        if mark.exists():
            mark.unlink()
            time.sleep(3600)
        return alone(inputs)

    turns.engine = Engine(hang_once)
    return app
