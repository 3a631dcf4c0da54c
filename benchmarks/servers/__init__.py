"""Servers, their clients, and processes apart."""
