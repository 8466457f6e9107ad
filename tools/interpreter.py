"""Say whether an interpreter can build interlock: `ok` and what its venv depends on, or what is wrong with it.

The Makefile runs this with the interpreter in question, so it must run on every Python, however old.
"""

import os
import sys
import sysconfig


def inspect(name):
    version = "%d.%d" % sys.version_info[:2]
    if sys.version_info < (3, 11):
        return "%s is Python %s, interlock needs 3.11 or newer: make test PYTHON=python3.12" % (name, version)

    import importlib.util
    import shlex
    import shutil

    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")[0]
    if not os.path.exists(header):
        return "%s has no %s: install python%s-dev or python%s-devel" % (name, header, version, version)
    if not importlib.util.find_spec("ensurepip"):
        return "%s cannot make a venv with pip: install python%s-venv" % (name, version)
    if not shutil.which(compiler):
        return "the C compiler %s is missing: install it, or name another, CC=gcc make test" % compiler
    # A venv names its directory by the full path: a copied or moved checkout needs a new one.
    abi = sysconfig.get_config_var("EXT_SUFFIX")
    return "ok %s %s %s %s" % (sys.version.split()[0], abi, sys.base_prefix, os.getcwd())


print(inspect(sys.argv[1]))
