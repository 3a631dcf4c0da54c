"""How gunicorn serves the app. It is read by default when gunicorn starts in this folder."""

import os
from pathlib import Path

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
# Each worker holds all models (some 700 MB); OpenVINO uses all cores for one picture.
workers = 1
# Many more threads than pictures in work: those that wait or upload slowly do not block the probes.
# gthread with a bound on the time that a client takes, so that slow ones do not hold all threads for long.
worker_class = "web.guarded_worker.GuardedThreadWorker"
threads = 16
# Models are loaded in the worker, after the fork: Keras and OpenVINO start threads that do not survive one.
preload_app = False
# A worker that loads its models on a slow machine must not be taken for dead.
timeout = 120
graceful_timeout = 30
# The heartbeat file belongs in memory: a slow disk must not look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# The control socket of newer versions would be a file in the home folder.
control_socket_disable = True
# Time, method, path without query, status, size, duration: nothing that a person typed or uploaded.
accesslog = "-"
access_log_format = '%(t)s "%(m)s %(U)s" %(s)s %(B)s %(D)sus'


def post_fork(server, worker):
    """Set what the guarded worker takes from here."""
    # For a whole request, and again for its answer; moving on at 2 Mbit/s or more takes nothing of it.
    worker.receive_seconds = 15
