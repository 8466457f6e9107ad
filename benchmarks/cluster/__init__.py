"""interlock.cluster beside its peers, on real servers on loopback: `python -m benchmarks.cluster --check`."""
