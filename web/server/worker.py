"""gunicorn's threaded worker, protected against slow clients, for service without a proxy.

As it comes, a client that stalls within its request holds a thread for ever, and one that does not close its connection
holds the main loop for two seconds. Here a connection gets a thread when it has sent something, and then has
`receive_seconds` (web.server.patient_socket) for all of it. A proxy in front remains the better guard: it needs no
thread.

It overrides seven methods of gunicorn's worker that are no public interface, and uses its `pending_conns` and `poller`:
any release may change them, hence the exact version in requirements/serve.in. Before taking another, run the tests in
tests/web/server and `make test-faults` (B6, B7).

TLS is not guarded: the connection that TLS wraps is another one. Let a proxy end it.
"""

import errno
import gc
import sys
import time
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from model.processes.core_dumps import forbid_core_dumps
from web.server.addresses import EXIT_CANNOT_START
from web.server.patient_socket import GuardedSocket

# A connection without any bytes is closed after this time, as in gunicorn.
_FIRST_BYTE_SECONDS = 5.0
# How long one thread of Python may block the others: a tenth of the default, since the network waits for them.
_SWITCH_SECONDS = 0.0005
# How long to wait for a connection to end when no more may be opened.
_NO_FILES_SECONDS = 0.05


class GuardedThreadWorker(ThreadWorker):
    """A ThreadWorker whose clients have `receive_seconds` to send a request, and as many to take its answer."""

    receive_seconds = 15.0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse to load the models before the fork: what Keras and OpenVINO start would hang in the workers."""
        if cfg.preload_app:
            print(
                "Cannot start: expected gunicorn's preload_app to be off. Received it on. Models that are loaded "
                "before the fork hang in the workers. Remove --preload.",
                file=sys.stderr,
            )
            sys.exit(EXIT_CANNOT_START)
        super().check_config(cfg, log)

    def init_process(self) -> None:
        """Forbid core dumps before anything is received."""
        forbid_core_dumps()
        sys.setswitchinterval(_SWITCH_SECONDS)
        super().init_process()

    def load_wsgi(self) -> None:
        """Load the app, and keep its objects out of later garbage collections."""
        super().load_wsgi()
        # Not before: the master, which loads no app, would take 30 MB more.
        from web.service import service_of

        self._service = service_of(self.wsgi)
        gc.collect()
        gc.freeze()

    def notify(self) -> None:
        """Send the heartbeat, but not while a network hangs: gunicorn then replaces this worker after its timeout."""
        if not (self._service and self._service.is_stuck):
            super().notify()

    def accept(self, listener: Any) -> None:
        """Let connections wait if no more files may be opened; gunicorn's worker would end, with its requests."""
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            # The listener stays readable: without a pause this would be a busy loop.
            time.sleep(_NO_FILES_SECONDS)

    def enqueue_req(self, conn: Any) -> None:
        """Hand a connection that has sent something to a thread; a new one waits in the main loop."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
        elif isinstance(conn.sock, GuardedSocket):
            conn.sock.begin_request(self.receive_seconds)
            super().enqueue_req(conn)
        else:
            conn.sock = GuardedSocket.of(conn.sock)
            self._wait_for_first_byte(conn)

    def handle(self, conn: Any) -> Any:
        """Handle a request, and wait for the end of its connection in this thread."""
        if self.cfg.is_ssl:
            return super().handle(conn)
        conn.sock.look_at_request()
        is_kept = super().handle(conn)
        if not is_kept:
            conn.sock.say_goodbye()
        return is_kept

    def _wait_for_first_byte(self, conn: Any) -> None:
        """Do what gunicorn does with a connection that sent nothing to a waiting thread."""
        conn.sock.setblocking(False)
        conn.timeout = time.monotonic() + _FIRST_BYTE_SECONDS
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))
