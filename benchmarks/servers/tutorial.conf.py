"""How gunicorn serves the tutorial's view: one worker, as TensorFlow fills the cores by itself."""

workers = 1
worker_class = "gthread"
threads = 4
timeout = 300
control_socket_disable = True
