"""Rubin: network observability for Linux and Kubernetes on eBPF."""

__version__ = "0.1.0"
