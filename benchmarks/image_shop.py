"""Two picture hosts on loopback: nginx where it is installed, else a small server of our own.

In comes a folder of files; out go the hosts' names, for as long as the context lasts.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOSTS = 2
PATIENCE_SECONDS = 10.0
_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  types {{ image/jpeg jpg; text/plain txt; }}
  client_body_temp_path {folder}/temp1;
  proxy_temp_path {folder}/temp2; fastcgi_temp_path {folder}/temp3;
  uwsgi_temp_path {folder}/temp4; scgi_temp_path {folder}/temp5;
  server {{ {listen} root {files}; }}
}}
"""


@contextmanager
def running_hosts(files: Path, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The server's name and its hosts (`127.0.0.1:port`); `folder` takes its own files."""
    ports = _free_ports(HOSTS)
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx is not None:
        config = folder / "nginx.conf"
        listen = " ".join(f"listen 127.0.0.1:{port};" for port in ports)
        user = "user root;" if os.getuid() == 0 else ""  # its own could not read the files
        config.write_text(_NGINX.format(user=user, folder=folder, files=files, listen=listen))
        name, command = "nginx", [nginx, "-p", str(folder), "-c", str(config)]
    else:
        name = "asyncio"
        command = [sys.executable, "-m", "benchmarks.image_shop", str(files), *map(str, ports)]
    root = Path(__file__).resolve().parents[1]
    server = subprocess.Popen(command, cwd=root, stderr=subprocess.DEVNULL)
    hosts = [f"127.0.0.1:{port}" for port in ports]
    try:
        for host in hosts:
            _wait_for(f"http://{host}/robots.txt", server)
        yield name, hosts
    finally:
        server.terminate()
        server.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


async def _answer(
    files: dict[bytes, bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            body = files.get(head.split(b" ", 2)[1], b"")
            status = b"200 OK" if body else b"404 Not Found"
            kind = b"image/jpeg" if body[:2] == b"\xff\xd8" else b"text/plain"
            writer.write(
                b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                % (status, kind, len(body))
                + body
            )
            if b"connection: close" in head.lower():
                break
            await writer.drain()
    writer.close()


async def _serve(folder: Path, ports: list[int]) -> None:
    files = {
        b"/" + str(path.relative_to(folder)).encode(): path.read_bytes()
        for path in folder.rglob("*.*")
    }
    servers = [
        await asyncio.start_server(lambda r, w: _answer(files, r, w), "127.0.0.1", port)
        for port in ports
    ]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
