"""A PostgreSQL frontend that hides nothing: every message sent and received is in the open.

For tests of the wire itself: it can stop halfway through a login, send any bytes, and hands back
each backend message as it came. Message and field names are those of PostgreSQL's documentation,
"Message Formats".
"""

import base64
import hashlib
import hmac
import secrets
import select
import socket
import ssl
import struct
import threading
import time

PROTOCOL_3_0 = 3 << 16
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
CANCEL_REQUEST = 80877102

NAMES = {
    b"R": "Authentication", b"K": "BackendKeyData", b"2": "BindComplete", b"3": "CloseComplete",
    b"C": "CommandComplete", b"d": "CopyData", b"c": "CopyDone", b"G": "CopyInResponse",
    b"H": "CopyOutResponse", b"W": "CopyBothResponse", b"D": "DataRow",
    b"I": "EmptyQueryResponse", b"E": "ErrorResponse", b"V": "FunctionCallResponse",
    b"v": "NegotiateProtocolVersion", b"n": "NoData", b"N": "NoticeResponse",
    b"A": "NotificationResponse", b"t": "ParameterDescription", b"S": "ParameterStatus",
    b"1": "ParseComplete", b"s": "PortalSuspended", b"Z": "ReadyForQuery",
    b"T": "RowDescription",
}


class ConnectionClosed(Exception):
    """The peer closed the connection where a message should have come."""


class Message:
    def __init__(self, kind, payload):
        self.kind, self.payload = kind, payload
        self.name = NAMES.get(kind, repr(kind))

    def __repr__(self):
        if self.name in ("ErrorResponse", "NoticeResponse"):
            return f"{self.name}({self.fields})"
        return f"{self.name}({self.payload[:60]!r})"

    @property
    def fields(self):
        """ErrorResponse, NoticeResponse: the field's letter to its text."""
        return {part[:1].decode(): part[1:].decode() for part in self.payload.split(b"\0") if part}

    @property
    def sqlstate(self):
        return self.fields["C"]

    @property
    def position(self):
        """ErrorResponse: the 1-based character, or None."""
        return int(self.fields["P"]) if "P" in self.fields else None

    @property
    def status(self):
        """ReadyForQuery: I, T or E."""
        return self.payload.decode()

    @property
    def tag(self):
        """CommandComplete."""
        return self.payload[:-1].decode()

    @property
    def parameter(self):
        """ParameterStatus: (name, value)."""
        name, value, _ = self.payload.split(b"\0")
        return name.decode(), value.decode()

    @property
    def values(self):
        """DataRow: bytes, or None for NULL."""
        (count,), at, values = struct.unpack_from("!H", self.payload), 2, []
        for _ in range(count):
            (size,) = struct.unpack_from("!i", self.payload, at)
            at += 4
            values.append(None if size < 0 else self.payload[at:at + size])
            at += max(size, 0)
        return values

    @property
    def columns(self):
        """RowDescription: dicts with name, table, column, type, modifier, format."""
        (count,), at, columns = struct.unpack_from("!H", self.payload), 2, []
        for _ in range(count):
            end = self.payload.index(b"\0", at)
            table, column, kind, _, modifier, form = struct.unpack_from("!IhIhih", self.payload,
                                                                        end + 1)
            columns.append({"name": self.payload[at:end].decode(), "table": table,
                            "column": column, "type": kind, "modifier": modifier, "format": form})
            at = end + 19
        return columns


def message(kind, payload=b""):
    return kind + struct.pack("!I", len(payload) + 4) + payload


def string(text):
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def startup_packet(parameters, version=PROTOCOL_3_0):
    body = struct.pack("!I", version)
    for name, value in parameters.items():
        body += string(name) + string(value)
    body += b"\0"
    return struct.pack("!I", len(body) + 4) + body


def query(sql):
    return message(b"Q", string(sql))


def parse(sql, name="", types=()):
    return message(b"P", string(name) + string(sql) + struct.pack("!H", len(types))
                   + b"".join(struct.pack("!I", t) for t in types))


def bind(portal="", statement="", values=(), formats=(), result_formats=()):
    payload = string(portal) + string(statement)
    payload += struct.pack("!H", len(formats)) + b"".join(struct.pack("!H", f) for f in formats)
    payload += struct.pack("!H", len(values))
    for value in values:
        if value is None:
            payload += struct.pack("!i", -1)
        else:
            raw = value.encode() if isinstance(value, str) else value
            payload += struct.pack("!i", len(raw)) + raw
    payload += struct.pack("!H", len(result_formats))
    return message(b"B", payload + b"".join(struct.pack("!H", f) for f in result_formats))


def describe(kind, name=""):
    return message(b"D", kind.encode() + string(name))


def execute(portal="", rows=0):
    return message(b"E", string(portal) + struct.pack("!I", rows))


def close(kind, name=""):
    return message(b"C", kind.encode() + string(name))


def flush():
    return message(b"H")


def sync():
    return message(b"S")


def terminate():
    return message(b"X")


def function_call(oid, *arguments):
    payload = struct.pack("!IHHH", oid, 1, 0, len(arguments))
    for argument in arguments:
        payload += struct.pack("!i", len(argument)) + argument
    return message(b"F", payload + struct.pack("!H", 0))


def cancel_request(key):
    """`key`: what BackendKeyData said, as (process id, secret)."""
    pid, secret = key
    return struct.pack("!IIII", 16, CANCEL_REQUEST, pid, secret)


def client_context(ca=None, alpn=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if ca:
        context.load_verify_locations(ca)
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols([alpn])
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class WireClient:
    """One connection. `received` holds every byte that came, in the order it came."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self._unread = bytearray()
        self.parameters, self.key, self.notices = {}, None, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.socket.close()
        except OSError:
            pass

    # --- bytes -----------------------------------------------------------------------------

    def send(self, *messages):
        self.socket.sendall(b"".join(messages))
        return self

    def send_while_receiving(self, batch, timeout=120):
        """Sends what no buffer holds, taking in what comes meanwhile. One thread: two may not use a
        TLS connection of Python's at once."""
        view, end = memoryview(batch), time.monotonic() + timeout
        self.socket.setblocking(False)
        try:
            while view:
                moved = False
                try:
                    view = view[self.socket.send(view[:1 << 16]):]
                    moved = True
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
                try:
                    chunk = self.socket.recv(1 << 16)
                    if not chunk:
                        raise ConnectionClosed("end of stream")
                    self.received += chunk
                    self._unread += chunk
                    moved = True
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
                if not moved:
                    if time.monotonic() > end:
                        raise TimeoutError("neither side takes anything")
                    select.select([self.socket], [self.socket], [], 0.01)
        finally:
            self.socket.settimeout(timeout)
        return self

    def read_exactly(self, size):
        while len(self._unread) < size:
            try:
                chunk = self.socket.recv(1 << 16)
            except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError,
                    ssl.SSLZeroReturnError) as end:
                raise ConnectionClosed(str(end)) from None
            if not chunk:
                raise ConnectionClosed("end of stream")
            self.received += chunk
            self._unread += chunk
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def receive(self):
        kind = self.read_exactly(1)
        (size,) = struct.unpack("!I", self.read_exactly(4))
        return Message(kind, self.read_exactly(size - 4))

    def receive_until(self, *names):
        """The messages up to and with the first one of these names."""
        messages = []
        while True:
            messages.append(self.receive())
            if messages[-1].name in names:
                return messages

    def receive_to_end(self):
        """What comes until the peer closes."""
        messages = []
        try:
            while True:
                messages.append(self.receive())
        except ConnectionClosed:
            return messages

    def closed_within(self, seconds):
        """Does the peer close (after whatever it still says) within so long?"""
        self.socket.settimeout(seconds)
        try:
            self.receive_to_end()
            return True
        except (TimeoutError, socket.timeout):
            return False

    # --- login -----------------------------------------------------------------------------

    def start_tls(self, context):
        """SSLRequest, then TLS if it is answered with S; returns the answer."""
        self.send(struct.pack("!II", 8, SSL_REQUEST))
        answer = self.read_exactly(1)
        if answer == b"S":
            self.wrap(context)
        return answer

    def wrap(self, context):
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")

    def login(self, user, database, password, version=PROTOCOL_3_0, **parameters):
        """The whole login; returns its messages, the last one ReadyForQuery or ErrorResponse."""
        self.send(startup_packet({"user": user, "database": database} | parameters, version))
        messages, scram = [], None
        while True:
            try:
                messages.append(self.receive())
            except ConnectionClosed:
                return messages
            last = messages[-1]
            if last.name == "Authentication":
                (code,) = struct.unpack_from("!I", last.payload)
                if code == 3:
                    self.send(message(b"p", string(password)))
                elif code == 10:
                    scram = Scram(password)
                    self.send(message(b"p", string("SCRAM-SHA-256")
                                      + struct.pack("!I", len(scram.first)) + scram.first))
                elif code == 11:
                    self.send(message(b"p", scram.final(last.payload[4:])))
            elif last.name == "ParameterStatus":
                name, value = last.parameter
                self.parameters[name] = value
            elif last.name == "BackendKeyData":
                self.key = struct.unpack("!II", last.payload)
            elif last.name == "NoticeResponse":
                self.notices.append(last)
            elif last.name in ("ReadyForQuery", "ErrorResponse"):
                return messages

    # --- conversations ---------------------------------------------------------------------

    def simple(self, sql):
        """One simple query; the messages up to ReadyForQuery."""
        self.send(query(sql))
        return self.receive_until("ReadyForQuery")

    def extended(self, sql, values=(), result_formats=(), types=()):
        """Parse, Bind, Describe, Execute, Sync; the messages up to ReadyForQuery."""
        self.send(parse(sql, types=types), bind(values=values, result_formats=result_formats),
                  describe("P"), execute(), sync())
        return self.receive_until("ReadyForQuery")


class Scram:
    """The client's half of SCRAM-SHA-256 (RFC 7677), without channel binding."""

    def __init__(self, password):
        self._password = password
        self._bare = f"n=,r={base64.b64encode(secrets.token_bytes(18)).decode()}"
        self.first = b"n,," + self._bare.encode()

    def final(self, server_first):
        parts = dict(p.split("=", 1) for p in server_first.decode().split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        without_proof = f"c=biws,r={parts['r']}"
        signed = ",".join([self._bare, server_first.decode(), without_proof]).encode()
        signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()


def names(messages):
    return [m.name for m in messages]


def error_of(messages):
    """The one ErrorResponse among them."""
    errors = [m for m in messages if m.name == "ErrorResponse"]
    if len(errors) != 1:
        raise AssertionError(f"{len(errors)} errors in {messages}")
    return errors[0]


def rows_of(messages):
    return [m.values for m in messages if m.name == "DataRow"]


def serve_each(listener, serve):
    """Calls serve(connection) for each that comes, in threads, until the listener is closed."""
    def accept():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def within(seconds, condition, every=0.02):
    """Does the condition come true within so long?"""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
