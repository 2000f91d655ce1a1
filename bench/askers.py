"""Many clients of celery-progress in one lean process: each asks twice a second, as its bar does.

    python -m bench.askers PORT TASK CLIENTS COUNTER

Each has a connection of its own that is kept open. How many answers have come stands in the file
COUNTER, as 8 bytes.
"""

import mmap
import select
import socket
import struct
import sys
import time
from pathlib import Path

INTERVAL_SECONDS = 0.5  # of celery_progress.js, by default
MARK = b'"progress"'  # once in each answer


def ask(port: int, task: str, clients: int, counter: Path) -> None:
    """Ask for ever, in turn and evenly spread. Raises ConnectionError for another answer."""
    request = f"GET /celery-progress/{task}/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    connections = [
        socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(clients)
    ]
    waiting = select.epoll()
    by_fd = {connection.fileno(): connection for connection in connections}
    for fd in by_fd:
        waiting.register(fd, select.EPOLLIN)
    counter.write_bytes(bytes(8))
    with counter.open("r+b") as file:
        shown = mmap.mmap(file.fileno(), 8)
    received, asked, begin = 0, 0, time.monotonic()
    while True:
        due = int((time.monotonic() - begin) * clients / INTERVAL_SECONDS)
        for number in range(asked, min(due, received + clients)):  # one at a time on a connection
            connections[number % clients].sendall(request)
        asked = max(asked, min(due, received + clients))
        for fd, _ in waiting.poll(INTERVAL_SECONDS / clients):
            said = by_fd[fd].recv(65536)
            if not said:
                raise ConnectionError("the server closed a connection")
            received += said.count(MARK)
        struct.pack_into("<Q", shown, 0, received)


if __name__ == "__main__":
    ask(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
