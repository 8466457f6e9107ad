"""`interlock.machine` beside multiprocessing, posix_ipc, filelock, fasteners and portalocker, in one run."""
