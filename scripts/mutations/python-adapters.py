"""Starts adapters of the guard for Python by a fork, because the modules that it needs take longer to read than most cases
run. `python-adapters.py SOCKET` listens. `python-adapters.py SOCKET ADAPTER HOME` runs an adapter with the guard of a folder,
by its own standard input and output."""

import os
import socket
import sys

LISTENS = len(sys.argv) == 2


def ask(path, adapter, home):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    socket.send_fds(connection, [f"{adapter}\n{home}".encode()], [0, 1])
    for descriptor in (0, 1):
        os.close(descriptor)
    # The other side closes it when the adapter has ended.
    connection.recv(1)


def run(adapter, home, descriptors):
    for wanted, descriptor in enumerate(descriptors):
        os.dup2(descriptor, wanted)
        os.close(descriptor)
    sys.stdin, sys.stdout = open(0), open(1, "w")
    sys.path.insert(0, home)
    runpy.run_path(adapter, run_name="__main__")
    sys.stdout.flush()


def listen(path):
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(64)
    processes = {}
    while True:
        for ready in select.select([server, woken, *processes], [], [])[0]:
            if ready is server:
                connection, _ = server.accept()
                text, descriptors, _, _ = socket.recv_fds(connection, 4096, 2)
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    for each in (server, woken, wakes, connection, *processes):
                        each.close()
                    try:
                        run(*text.decode().split("\n"), descriptors)
                    finally:
                        os._exit(0)
                for descriptor in descriptors:
                    os.close(descriptor)
                processes[connection] = child
            elif ready is woken:
                woken.recv(4096)
                ended = [one for one, child in processes.items() if os.waitpid(child, os.WNOHANG)[0] != 0]
                for connection in ended:
                    connection.close()
                    del processes[connection]
            elif ready in processes and ready.recv(1) == b"":
                # What asked for it was killed.
                os.kill(processes[ready], signal.SIGKILL)
                os.waitpid(processes.pop(ready), 0)
                ready.close()


if LISTENS:
    import runpy
    import select
    import signal

    import case_manager_guard  # It brings all that an adapter reads. Those of the guard itself are read anew.

    for name in [name for name in sys.modules if name.split(".")[0] == "case_manager_guard"]:
        del sys.modules[name]
    listen(sys.argv[1])
else:
    ask(*sys.argv[1:])
