"""`interlock hold NAME`: a lock between the processes of this machine."""

from argparse import Namespace

from interlock.cli.hold import Hold, refuse


def open_hold(request: Namespace) -> Hold:
    refuse(f"{request.target!r} is not the URL of an engine, like redis://host/0", 2)
