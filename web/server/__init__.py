"""gunicorn, guarded."""
