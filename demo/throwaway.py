"""Servers, certificates and keys that live in one folder and die with it.

The demo and the integration tests stand on this: a PostgreSQL 15 of their own, TLS on both sides,
Ed25519 keys, and a vitrine in front. Nothing is written outside of the folder, and every server
gets a signal from the kernel should this process die before it could stop them.

Runs as root too: PostgreSQL refuses to, and is then run as `postgres` (or `nobody`).
"""

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
PG_BIN = Path("/usr/lib/postgresql/15/bin")


class SetupError(Exception):
    """The environment could not be made; the message says what to do."""


def run(*command, stdin=None, env=None):
    """Runs a command to its end; its output is only shown where it fails."""
    done = subprocess.run([str(c) for c in command], input=stdin, env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        raise SetupError(f"{Path(str(command[0])).name} failed "
                         f"(exit {done.returncode}):\n{done.stdout.strip()}")
    return done.stdout


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write_private(path, text):
    """A file that only its owner may read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as f:
        f.write(text)
    return Path(path)


def die_with_parent():
    """In a child, before exec: the kernel sends SIGTERM should the parent die."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


class Folder:
    """A new folder below the system's temporary one, removed at the end."""

    def __init__(self, name):
        self.path = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        # PostgreSQL's user must be able to get to its own subfolder; the rest is closed to it by
        # the modes of the files.
        self.path.chmod(0o711)

    def remove(self):
        shutil.rmtree(self.path, ignore_errors=True)


class Authority:
    """A certificate authority of our own: PREFIX-ca.crt, and the server certificates it signs."""

    def __init__(self, folder, prefix, name):
        self.folder, self.prefix = Path(folder), prefix
        self.certificate = self.folder / f"{prefix}-ca.crt"
        self._key = self.folder / f"{prefix}-ca.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "30", "-subj", f"/CN={name}", "-keyout", self._key, "-out",
            self.certificate, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._key.chmod(0o600)

    def sign(self, name):
        """An ECDSA P-256 certificate for localhost; returns (certificate, key)."""
        base = self.folder / name
        certificate, key = base.with_suffix(".crt"), base.with_suffix(".key")
        request, extensions = base.with_suffix(".csr"), base.with_suffix(".ext")
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n"
                              "extendedKeyUsage=serverAuth\n")
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-subj", "/CN=localhost", "-keyout", key, "-out", request)
        run("openssl", "x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey",
            self._key, "-CAcreateserial", "-days", "30", "-extfile", extensions, "-out",
            certificate)
        key.chmod(0o600)
        request.unlink()
        extensions.unlink()
        return certificate, key


def ed25519_key(path):
    """PKCS#8 PEM at `path`, and the public key beside it as NAME.pub."""
    path = Path(path)
    write_private(path, run("openssl", "genpkey", "-algorithm", "ed25519"))
    run("openssl", "pkey", "-in", path, "-pubout", "-out", path.with_suffix(".pub"))
    return path


class PostgresServer:
    """PostgreSQL 15 on 127.0.0.1, TLS on, SCRAM for everybody, every statement in its own log."""

    SUPERUSER = "postgres"

    def __init__(self, folder, authority, hba=(), settings=None):
        self.root = Path(folder) / "postgres"
        self.data = self.root / "data"
        self.log = self.root / "server.log"
        self.port = free_port()
        self.password = secrets.token_hex(16)
        self._process = None
        self._user = self._service_user()
        self.root.mkdir()
        self._hand_over(self.root)
        self._initdb(authority, hba, settings or {})

    @staticmethod
    def _service_user():
        if os.geteuid() != 0:
            return None
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise SetupError("PostgreSQL does not run as root, and there is no user postgres")

    def _hand_over(self, path):
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _as_service_user(self, *command):
        if not self._user:
            return [str(c) for c in command]
        return ["setpriv", f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}",
                "--clear-groups", "--pdeathsig=QUIT", "--", *(str(c) for c in command)]

    def _initdb(self, authority, hba, settings):
        if not (PG_BIN / "initdb").exists():
            raise SetupError(f"no PostgreSQL 15 in {PG_BIN}: install the package postgresql-15")
        password_file = write_private(self.root / "superuser.password", self.password + "\n")
        self._hand_over(password_file)
        self._run_as_service_user(
            PG_BIN / "initdb", "-D", self.data, "-U", self.SUPERUSER, "--auth=scram-sha-256",
            f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        password_file.unlink()

        certificate, key = authority.sign("postgres-server")
        for source, name in ((certificate, "server.crt"), (key, "server.key")):
            target = self.data / name
            shutil.move(source, target)
            self._hand_over(target)
        values = {
            "listen_addresses": "127.0.0.1", "port": self.port,
            "unix_socket_directories": self.root, "max_connections": 200,
            "ssl": "on", "fsync": "off", "shared_buffers": "64MB",
            "log_statement": "all", "log_destination": "stderr", "logging_collector": "off",
            "log_line_prefix": "%m [%p] %q<%u@%d|%a> ",
        } | settings
        with open(self.data / "postgresql.conf", "a") as f:
            for name, value in values.items():
                quoted = str(value).replace("'", "''")
                f.write(f"{name} = '{quoted}'\n")
        (self.data / "pg_hba.conf").write_text("\n".join(
            [*hba, "local all all scram-sha-256",
             "hostssl all all 127.0.0.1/32 scram-sha-256", ""]))

    def _run_as_service_user(self, *command):
        # A folder that PostgreSQL's user can enter: where we stand may be closed to it.
        done = subprocess.run(self._as_service_user(*command), cwd=self.root, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise SetupError(f"{Path(command[0]).name} failed:\n{done.stdout.strip()}")

    def start(self):
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._as_service_user(PG_BIN / "postgres", "-D", self.data), cwd=self.root,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent)
        deadline = time.monotonic() + 60
        while subprocess.run([PG_BIN / "pg_isready", "-q", "-h", "127.0.0.1", "-p",
                              str(self.port)]).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise SetupError(f"PostgreSQL did not start:\n{tail}")
            time.sleep(0.05)

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: as in a crash."""
        if not self.running:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)

    def environment(self, database="postgres", user=None, password=None):
        """What libpq's programs need to connect directly; the superuser by default."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return clean | {
            "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGDATABASE": database,
            "PGUSER": user or self.SUPERUSER, "PGPASSWORD": password or self.password,
            "PGSSLMODE": "require", "PGSSLROOTCERT": "/nonexistent/root.crt"}

    def conninfo(self, database, user=None, password=None):
        return (f"host=127.0.0.1 port={self.port} dbname={database} sslmode=require "
                f"sslrootcert=/nonexistent/root.crt user={user or self.SUPERUSER} "
                f"password={password or self.password}")

    def sql(self, text, database="postgres"):
        """Runs statements as superuser and returns psql's bare output."""
        return run("psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-f", "-", stdin=text,
                   env=self.environment(database)).rstrip("\n")

    def load(self, path, database="postgres"):
        run("psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-f", path, env=self.environment(database))


class Vitrine:
    """`vitrine serve` on a configuration file, and the other verbs on the same file."""

    def __init__(self, program, config, port, authority):
        self.program, self.config, self.port = Path(program), Path(config), port
        self.ca = authority.certificate
        self.log = self.config.with_suffix(".log")
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self, env=None):
        if not self.program.exists():
            raise SetupError(f"{self.program} does not exist: run ./dev build")
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                [self.program, "serve", "--config", self.config], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent,
                env=env)
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    tail = self.log.read_text(errors="replace")[-2000:]
                    raise SetupError(f"vitrine did not start:\n{tail}") from None
                time.sleep(0.02)

    def signal(self, number):
        self._process.send_signal(number)

    def stop(self, seconds=10):
        """Drains, then insists; returns the exit status."""
        if self._process is None:
            return None
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            if not self.running:
                break
            self._process.send_signal(number)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
        return self._process.returncode

    def wait(self, seconds):
        return self._process.wait(seconds)

    def verb(self, *arguments, env=None):
        """Runs another verb of the program; returns its CompletedProcess."""
        return subprocess.run([str(self.program), *(str(a) for a in arguments)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, env=env, timeout=60)

    def token(self, user, database, *, groups=(), ttl="15m", reason=None):
        arguments = ["token", "issue", "--config", self.config, "--user", user, "--database",
                     database, "--ttl", ttl]
        if groups:
            arguments += ["--groups", ",".join(groups)]
        if reason:
            arguments += ["--reason", reason]
        done = self.verb(*arguments)
        if done.returncode != 0:
            raise SetupError(f"no token: {done.stderr.strip()}")
        return done.stdout.strip()

    def environment(self, user, token, database):
        """What libpq's programs need to connect through the proxy."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return clean | {
            "PGHOST": "localhost", "PGPORT": str(self.port), "PGDATABASE": database,
            "PGUSER": user, "PGPASSWORD": token, "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": str(self.ca), "PGCONNECT_TIMEOUT": "20"}
