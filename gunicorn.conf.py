"""How gunicorn serves the app. It is read by default when gunicorn starts in this folder."""

import os
import sys
import tempfile
from pathlib import Path

from web.server import addresses, worker_metrics

# Only this machine, unless BIND says otherwise, as in the Docker image.
bind = f"{os.environ.get('BIND', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
# Each worker holds all models. OpenVINO uses all cores for one image.
workers = 1
# Many more threads than images in work: waiting and slow uploads do not block the probes.
# gthread with a time limit for clients, so that slow ones do not hold all threads.
worker_class = "web.server.worker.GuardedThreadWorker"
threads = 32
# Models are loaded in the worker, after the fork: the threads of Keras and OpenVINO do not survive a fork.
preload_app = False
# A worker may load its models slowly without being killed.
timeout = 120
graceful_timeout = 30
# The heartbeat file belongs in memory: a slow disk must not look like a dead worker.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# The control socket of newer versions would be a file in the home folder.
control_socket_disable = True
# The app logs each request itself; gunicorn's log would name addresses and paths.
accesslog = None
logger_class = "web.server.log.ServerLog"
# Where the workers' metrics come together, in memory like the heartbeat; named by the master's process.
_metrics_folder = Path(worker_tmp_dir or tempfile.gettempdir(), f"brain-mri-metrics-{os.getpid()}")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_folder)


def on_starting(server):
    """Refuse an address that is taken, unless a server before this one hands its sockets over."""
    if not {"GUNICORN_FD", "LISTEN_FDS"} & os.environ.keys():
        addresses.exit_unless_free(server.address)


def when_ready(server):
    """Prepare what the workers share."""
    worker_metrics.make_folder(_metrics_folder)


def pre_fork(server, worker):
    """Prepare a worker, in the master."""
    worker_metrics.take_seat(server, worker)


def post_fork(server, worker):
    """Prepare a worker, in itself."""
    worker_metrics.write_at_seat(worker)
    # Whatever --bind or systemd said instead: the app allows larger uploads where only this machine is served.
    os.environ["BIND"] = addresses.most_open_host(listener.getsockname() for listener in worker.sockets)
    # For a whole request, and again for its answer; moving on at 2 Mbit/s or more takes nothing of it.
    worker.receive_seconds = 15


def post_worker_init(worker):
    """Say where to open the page, once the models are loaded: to a person, not into a log."""
    if "SAY_READY" in os.environ or sys.stdout.isatty():
        print(f"Ready: {addresses.page_address(worker.cfg.address)}", flush=True)


def child_exit(server, worker):
    """Clean up after a worker, in the master."""
    worker_metrics.leave_seat(worker, _metrics_folder)


def on_exit(server):
    """Clean up after all."""
    worker_metrics.remove_folder(_metrics_folder)
