"""What docs/certificates.md says that seccomp refuses, tried call by call under the filter alone."""

from __future__ import annotations

import errno
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from support.worker import CALLS, DENY

from tito.course.manifest import ROOT

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in CALLS,
    reason="the filter knows Linux on x86-64 and arm64",
)

DRIVER = """
import ctypes, errno, json, os, platform, sys, threading
import worker
from worker import seccomp

worker.DENY = 0x00050000 | errno.EBADFD  # tells the filter's refusal from the kernel's own
libc, path = ctypes.CDLL(None, use_errno=True), sys.argv[1]
CLONE, EXECVEAT = {"x86_64": (56, 322), "aarch64": (220, 281)}[platform.machine()]
NOTHING, ROOM, NAME = ctypes.c_void_p(), ctypes.create_string_buffer(256), path.encode()
WORDS = (ctypes.c_char_p * 2)(b"true", None)

def namespace(flag):
    return libc.syscall(CLONE, flag | 17, 0, 0, 0, 0)  # 17: SIGCHLD, as fork has it

def changed(change):
    def seen():
        found = os.stat(path)
        return found.st_mode, found.st_uid, found.st_mtime_ns, found.st_ctime_ns, os.listxattr(path)
    before = seen()
    change()
    return seen() != before

def threads():
    found = []
    several = [threading.Thread(target=found.append, args=[1]) for _ in range(3)]
    for thread in several:
        thread.start()
    for thread in several:
        thread.join()
    return sum(found)

def own_child():
    return os.waitpid(os.fork() or os._exit(7), 0)[1] >> 8

def try_it(name, call):
    held = seccomp()
    value = eval(call) if held else "no filter"
    said = errno.errorcode.get(ctypes.get_errno(), "") if value == -1 else repr(value)
    os.write(1, json.dumps([name, said]).encode() + b"\\n")
    os._exit(0)

memory, queue, lock = libc.shmget(0, 4096, 0o1600), libc.msgget(0, 0o1600), libc.semget(0, 1, 0o1600)
for name, call in json.load(sys.stdin).items():
    os.fork() or try_it(name, call)
    os.wait()
libc.shmctl(memory, 0, NOTHING), libc.msgctl(queue, 0, NOTHING), libc.semctl(lock, 0, 0)
"""
REFUSED = {
    "Unix socket": "libc.socket(1, 1, 0)",
    "TCP socket": "libc.socket(2, 1, 0)",
    "UDP socket": "libc.socket(2, 2, 0)",
    "UDP socket of IPv6": "libc.socket(10, 2, 0)",
    "raw socket": "libc.socket(2, 3, 1)",
    "netlink socket": "libc.socket(16, 3, 0)",
    "packet socket": "libc.socket(17, 3, 0)",
    "vsock": "libc.socket(40, 1, 0)",
    "pair of sockets": "libc.socketpair(1, 1, 0, ROOM)",
    "program": "libc.execve(b'/bin/true', WORDS, WORDS)",
    "program by execveat": "libc.syscall(EXECVEAT, -100, b'/bin/true', WORDS, WORDS, 0)",
    "System V memory": "libc.shmget(0, 4096, 0o1600)",
    "System V memory of another's": "libc.shmat(memory, NOTHING, 0)",
    "System V memory removed": "libc.shmctl(memory, 0, NOTHING)",
    "System V queue": "libc.msgget(0, 0o1600)",
    "System V queue written": "libc.msgsnd(queue, b'1' * 16, 8, 0)",
    "System V queue read": "libc.msgrcv(queue, ROOM, 8, 0, 0o4000)",
    "System V queue removed": "libc.msgctl(queue, 0, NOTHING)",
    "System V semaphore": "libc.semget(0, 1, 0o1600)",
    "System V semaphore changed": "libc.semop(lock, bytes([0, 0, 1, 0, 0, 0]), 1)",
    "System V semaphore waited for": "libc.semtimedop(lock, bytes([0, 0, 1, 0, 0, 0]), 1, NOTHING)",
    "System V semaphore removed": "libc.semctl(lock, 0, 0)",
    "POSIX queue": "libc.mq_open(b'/tito', 0o102, 0o600, NOTHING)",
    "memfd": "libc.memfd_create(b'name', 0)",
    "io_uring": "libc.syscall(425, 4, ROOM)",
    "ptrace": "libc.ptrace(0, 0, NOTHING, NOTHING)",
    "memory of another process": "libc.process_vm_readv(os.getppid(), NOTHING, 0, NOTHING, 0, 0)",
    "file of another process": "libc.syscall(438, os.pidfd_open(os.getppid()), 0, 0)",
    "user namespace by unshare": "libc.unshare(0x10000000)",
    "time namespace by unshare": "libc.unshare(0x80)",
    "namespace of another process": "libc.setns(os.open('/proc/self/ns/uts', 0), 0)",
    "mount namespace": "namespace(0x00020000)",
    "cgroup namespace": "namespace(0x02000000)",
    "host name namespace": "namespace(0x04000000)",
    "System V namespace": "namespace(0x08000000)",
    "user namespace": "namespace(0x10000000)",
    "process namespace": "namespace(0x20000000)",
    "network namespace": "namespace(0x40000000)",
    "user and network namespace": "namespace(0x50000000)",
}
UNKNOWN = {
    "clone3": "libc.syscall(435, (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17), 64)",
    "socket by a number of x32": "libc.syscall(0x40000000 + 41, 2, 2, 0)",
    "call newer than the filter": "libc.syscall(468, -100, b'/', ROOM, 24, 0)",
}
UNCHANGED = {
    "rights": "changed(lambda: os.chmod(path, 0))",
    "rights of an open file": "changed(lambda: os.fchmod(os.open(path, 0), 0))",
    "rights by fchmodat2": "changed(lambda: libc.syscall(452, -100, NAME, 0, 0))",
    "owner": "changed(lambda: os.chown(path, 1, 1))",
    "times": "changed(lambda: os.utime(path, (1, 1)))",
    "attribute": "changed(lambda: os.setxattr(path, 'user.x', b'y'))",
    "attribute by setxattrat": "changed(lambda: libc.syscall(463, -100, NAME, 0, b'user.x', (ctypes.c_uint64 * 2)(ctypes.addressof(ROOM), 1), ctypes.c_long(16)))",
    "flags by file_setattr": "changed(lambda: libc.syscall(469, -100, NAME, (ctypes.c_uint64 * 3)(0x40), 24, 0))",
}
HONEST = {
    "threads()": "3",
    "own_child()": "7",
    "len(os.urandom(5))": "5",
    "os.cpu_count() > 0": "True",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each call answered, in a process of its own under the filter."""
    path = tmp_path_factory.mktemp("calls") / "file"
    path.write_text("x")
    calls = REFUSED | UNKNOWN | UNCHANGED | {call: call for call in HONEST}
    return tried(calls, path)


def tried(calls: dict[str, str], path: Path) -> dict[str, str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "spec_tests" / "support")}
    environment |= {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(path)],
        input=json.dumps(calls),
        env=environment,
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    )
    return dict(json.loads(line) for line in done.stdout.splitlines())


def test_a_refusal_is_a_lack_of_rights() -> None:
    assert DENY & 0xFFFF == errno.EPERM


@pytest.mark.parametrize("name", REFUSED)
def test_call_is_refused(said: dict[str, str], name: str) -> None:
    assert said.get(name) == "EBADFD"


@pytest.mark.parametrize("name", UNKNOWN)
def test_call_does_not_exist(said: dict[str, str], name: str) -> None:
    """So that who asks falls back to an older call, as glibc does from clone3 to clone."""
    assert said.get(name) == "ENOSYS"


@pytest.mark.parametrize("name", UNCHANGED)
def test_call_changes_no_file(said: dict[str, str], name: str) -> None:
    assert said.get(name) == "False"


@pytest.mark.parametrize("call", HONEST)
def test_honest_call_works(said: dict[str, str], call: str) -> None:
    assert said.get(call) == HONEST[call]
