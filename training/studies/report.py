"""Write the documents again: what publishing does, for changes of their templates and of docs/studies/data."""

import argparse

from training.drawing.documents import write_documents


def arguments(_: argparse.ArgumentParser) -> None:
    """Ask for nothing."""


def run(_: argparse.Namespace) -> None:
    """Write the documents."""
    write_documents()
