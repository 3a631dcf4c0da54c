"""Engines that run the network, without HTTP."""
