"""Regenerate the documents, as publishing does, after changes of their templates or of docs/studies/data."""

import argparse

from training.drawing.documents import write_documents


def arguments(_: argparse.ArgumentParser) -> None:
    """Ask for nothing."""


def run(_: argparse.Namespace) -> None:
    """Write the documents."""
    write_documents()
