"""The vitrines that benchmarks look at."""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "demo"))

from throwaway import Vitrine, ed25519_key, free_port, write_private  # noqa: E402

DATABASE = "bench"

CONFIGURATION = """
listen:
  address: 127.0.0.1:{port}
  tls: {{certificate: server.crt, key: server.key}}
  workers: {workers}
databases:
  bench:
    servers: [127.0.0.1:{server_port}]
    user: reader
    password: {{file: reader.password}}
    tls: {server_tls}
auth:
  issuers:
    - name: vitrine
      signing_key: {{file: signing.pem}}
{masking}
audit:
  directory: log
  durability: {durability}
  signing_key: {{file: audit.pem}}
log: {{level: warn, format: text}}
"""


def start(folder, program, authority, server, password, mask_key, masking, *, workers=1,
          durability="write", server_tls=True):
    """In a folder of its own, beside the authorities' files."""
    folder.mkdir()
    authority.sign("server")
    for file in ("server.crt", "server.key"):
        shutil.move(folder.parent / file, folder / file)
    shutil.copy(folder.parent / "database-ca.crt", folder)
    ed25519_key(folder / "signing.pem")
    ed25519_key(folder / "audit.pem")
    write_private(folder / "mask.key", mask_key + "\n")
    write_private(folder / "reader.password", password + "\n")
    vitrine = Vitrine(program, folder / "vitrine.yaml", free_port(), authority)
    vitrine.config.write_text(CONFIGURATION.format(
        port=vitrine.port, server_port=server.port, workers=workers, masking=masking,
        durability=durability,
        server_tls="{mode: verify-full, ca: database-ca.crt}" if server_tls
        else "{mode: disable}"))
    vitrine.start()
    return vitrine


def cpu_nanoseconds(pid):
    return sum(int((task / "schedstat").read_text().split()[0])
               for task in Path(f"/proc/{pid}/task").iterdir())
