"""Where the arena lies: its folder, and what must be so there. The file itself is made and mapped in kernel.py."""

import os
from contextlib import suppress


def folder() -> str:
    """Where the arena lies."""
    given = os.environ.get("INTERLOCK_MACHINE_DIR")
    return os.path.abspath(given) if given else f"/dev/shm/interlock-{os.getuid()}"


def boot_and_namespace() -> tuple[str, int]:
    """Which boot of the machine this is, and which namespace of process ids."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip(), os.stat("/proc/self/ns/pid").st_ino
    except OSError as error:
        raise OSError(error.errno, f"interlock.machine needs /proc: {error.strerror}: {error.filename}") from None


def check_folder(path: str) -> None:
    if len(os.fsencode(path)) > 200:
        raise OSError(f"interlock.machine: the path of its folder is longer than 200 bytes: {path}")
    try:
        os.mkdir(path, 0o700)
        os.chmod(path, 0o700)  # whatever the umask is
    except FileExistsError:
        pass
    except OSError as error:
        raise OSError(
            error.errno,
            f"interlock.machine cannot make its folder {path} ({error.strerror}): set INTERLOCK_MACHINE_DIR",
        ) from None
    found = os.stat(path, follow_symlinks=False)
    if not os.path.isdir(path) or os.path.islink(path):
        raise NotADirectoryError(f"interlock.machine: {path} is no folder")
    if found.st_uid not in (os.getuid(), 0) and not os.environ.get("INTERLOCK_MACHINE_DIR"):
        raise PermissionError(f"interlock.machine: {path} belongs to user {found.st_uid}; set INTERLOCK_MACHINE_DIR")
    if found.st_mode & 0o002 and not found.st_mode & 0o1000:
        raise PermissionError(f"interlock.machine: anybody may write to {path}: chmod o-w {path}")


def is_shared(path: str) -> bool:
    """Whether others than this user may write there."""
    return bool(os.stat(path).st_mode & 0o022)


def unlink_file(path: str, fd: int) -> None:
    """Remove that very file. Several processes may find at the same time that it has to go, and a newer one be there by
    the time at which the last of them does it."""
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_EX)
    with suppress(FileNotFoundError):
        if os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd)):
            os.unlink(path)
