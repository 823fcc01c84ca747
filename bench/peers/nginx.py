"""nginx: a ready-made answer and nothing kept. The ceiling: what the load generator and the kernel alone allow."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Final

from bench.case import Setting
from bench.peers.peer import Peer, program, said_by
from bench.rig import SERVER_CORE, free_port, server

_CONFIGURATION: Final = """\
worker_processes 1;
daemon off;
error_log stderr;
pid nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      default_type application/json;
      return 202 '{{"id":"7707000000","status":"accepted","amount":"123.45","currency":"RUB"}}';
    }}
  }}
}}
"""


def _program() -> str:
    return program("nginx", "nginx-light")


def version() -> str:
    """Of the server."""
    return said_by(_program(), "-v").rpartition("/")[2]


@contextlib.contextmanager
def setting(folder: Path) -> Generator[Setting]:
    """One worker."""
    port, configuration = free_port(), folder / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(port=port))
    command = [_program(), "-p", str(folder), "-c", str(configuration)]
    with server(command, port, SERVER_CORE, folder / "nginx.log") as process:
        yield Setting(server=process)


PEERS: Final = (
    Peer(
        name="nginx",
        does="`return 202` with a ready answer; the body isn't read as JSON",
        keeps="nothing",
        wanted=None,
        version=version,
        setting=setting,
    ),
)
