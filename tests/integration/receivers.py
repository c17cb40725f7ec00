"""What `audit export` hands the log on to, for tests: each keeps the lines that came, in order."""

import http.server
import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

from throwaway import die_with_parent
from wire_client import serve_each, within

MESSAGE = re.compile(
    rb"<(?P<pri>\d{1,3})>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (?P<host>[!-~]{1,255}) "
    rb"vitrine - (?P<type>[!-~]{1,32}) (?P<data>\[vitrine@32473"
    rb'(?: [a-z_]+="(?:[^"\\\]]|\\["\\\]])*")+\]) \xef\xbb\xbf(?P<line>.*)', re.S)


def server_context(certificate, key, client_ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


class Receiver:
    def __init__(self):
        self.lines = []  # (the line, what else was said of it)
        self.problems = []
        self.delay = 0  # seconds before something is taken
        self.lock = threading.Lock()

    def count(self):
        with self.lock:
            return len(self.lines)

    def texts(self):
        with self.lock:
            return [line for line, _ in self.lines]


class SyslogReceiver(Receiver):
    """RFC 5425, octet counting, taken at its word. `unread`: takes connections and reads nothing."""

    def __init__(self, port, context):
        super().__init__()
        self.context, self.port = context, port
        self.connections, self.torn, self.unread, self.polite = 0, 0, False, True
        self.open = []
        self.start()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port))
        serve_each(self.listener, self.serve)

    def stop(self):
        """As when the machine is switched off: nothing is said to those that are connected."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.open:
            try:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
            except OSError:
                pass

    def serve(self, plain):
        time.sleep(self.delay)
        try:
            client = self.context.wrap_socket(plain, server_side=True)
        except (OSError, ssl.SSLError):
            plain.close()
            return
        with self.lock:
            self.connections += 1
            self.open.append(client)
        pending = b""
        try:
            if self.unread:
                time.sleep(0.3)
                client.close()
                return
            while True:
                piece = client.recv(65536)
                if not piece:
                    break
                pending = self.take(pending + piece)
            if self.polite:
                client.unwrap()
        except (OSError, ValueError, ssl.SSLError):
            pass
        finally:
            client.close()
            self.torn += bool(pending)

    def take(self, pending):
        while True:
            found = re.match(rb"([1-9]\d*) ", pending)
            if not found:
                if not re.fullmatch(rb"([1-9]\d{0,9})?", pending):
                    self.problems.append(("no length", pending[:80]))
                return pending
            end = found.end() + int(found[1])
            if len(pending) < end:
                return pending
            message, pending = pending[found.end():end], pending[end:]
            parsed = MESSAGE.fullmatch(message)
            if not parsed:
                self.problems.append(("no message", message[:300]))
                continue
            said = parsed.groupdict()
            with self.lock:
                self.lines.append((said.pop("line"), said | {"size": len(message)}))


class Rsyslog(Receiver):
    """Debian's, with gtls. It writes MSG alone, a line each."""

    def __init__(self, folder, port, authority, certificate, key):
        super().__init__()
        self.out = folder / "rsyslog.out"
        config = folder / "rsyslog.conf"
        config.write_text(f"""
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
       defaultNetstreamDriverCAFile="{authority}" defaultNetstreamDriverCertFile="{certificate}"
       defaultNetstreamDriverKeyFile="{key}" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="line" type="string" string="%msg%\\n")
ruleset(name="in") {{ action(type="omfile" file="{self.out}" template="line") }}
input(type="imtcp" port="{port}" ruleset="in")
""")
        self.process = subprocess.Popen(["/usr/sbin/rsyslogd", "-n", "-f", config, "-i",
                                         folder / "rsyslog.pid"], stdin=subprocess.DEVNULL,
                                        stdout=open(folder / "rsyslog.log", "wb"),
                                        stderr=subprocess.STDOUT)
        self.port = port
        if not within(10, self.answers):
            raise AssertionError((folder / "rsyslog.log").read_text())

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def texts(self):
        if not self.out.exists():
            return []
        return [line.removeprefix(b"\xef\xbb\xbf") for line in
                self.out.read_bytes().split(b"\n")[:-1]]

    def count(self):
        return len(self.texts())

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def strict(value, allowed, required=()):
    """An object of the JSON encoding has these fields and no others."""
    assert set(value) <= set(allowed) and set(value) >= set(required), (sorted(value), allowed)


class OtlpReceiver(Receiver):
    """Checks each request against the JSON encoding of ExportLogsServiceRequest. `script`: what is
    done instead of taking it, request by request: "cut", or (status, headers, body)."""

    def __init__(self, port, context=None):
        super().__init__()
        self.port, self.context = port, context
        self.script, self.requests, self.headers, self.bytes_max = [], [], [], None
        self.times, self.open = [], []
        self.breaks = 0  # so many requests beyond a megabyte are cut off, half sent
        self.start()

    def start(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                receiver.handle(self)

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address, daemon_threads = True, True

            def process_request(self, request, client_address):
                receiver.open.append(request)
                super().process_request(request, client_address)

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.context:
            self.server.socket = self.context.wrap_socket(self.server.socket, server_side=True,
                                                          do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for request in self.open:
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def handle(self, request):
        size = int(request.headers["Content-Length"])
        with self.lock:
            self.times.append(time.monotonic())
            self.headers.append(dict(request.headers))
            breaks = size > 1_000_000 and self.breaks > 0
            self.breaks -= breaks
        if breaks:
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return
        if self.bytes_max and size > self.bytes_max:
            answer = (413, {"Connection": "close"}, b"too large")
            request.close_connection = True
        else:
            time.sleep(self.delay)
            body = request.rfile.read(size)
            if len(body) < size:
                request.close_connection = True
                return
            with self.lock:
                answer = self.script.pop(0) if self.script else (200, {}, b"{}")
            if answer == "cut":
                request.connection.shutdown(socket.SHUT_RDWR)
                request.close_connection = True
                return
            if answer[0] == 200:
                try:
                    self.take(request, json.loads(body))
                except Exception as problem:  # what is wrong with it is for the test to say
                    self.problems.append((repr(problem), body[:300]))
        status, headers, body = answer
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def take(self, request, body):
        assert request.path == "/v1/logs", request.path
        assert request.headers["Content-Type"] == "application/json"
        strict(body, ["resourceLogs"])
        resource, = body["resourceLogs"]
        strict(resource, ["resource", "scopeLogs", "schemaUrl"], ["resource", "scopeLogs"])
        assert self.attributes(resource["resource"])["service.name"] == "vitrine"
        scope, = resource["scopeLogs"]
        strict(scope, ["scope", "logRecords", "schemaUrl"], ["logRecords"])
        taken = []
        for record in scope["logRecords"]:
            strict(record, ["timeUnixNano", "observedTimeUnixNano", "severityNumber",
                            "severityText", "body", "attributes"],
                   ["timeUnixNano", "body", "attributes"])
            for time_ in ("timeUnixNano", "observedTimeUnixNano"):
                assert re.fullmatch(r"[1-9]\d{18}", record[time_]), record[time_]
            assert type(record["severityNumber"]) is int and 1 <= record["severityNumber"] <= 24
            strict(record["body"], ["stringValue"], ["stringValue"])
            said = self.attributes(record) | {"severity": record["severityText"],
                                              "time": int(record["timeUnixNano"])}
            taken.append((record["body"]["stringValue"].encode(), said))
        with self.lock:
            self.requests.append(len(taken))
            self.lines += taken

    @staticmethod
    def attributes(holder):
        found = {}
        for attribute in holder["attributes"]:
            strict(attribute, ["key", "value"], ["key", "value"])
            (kind, value), = attribute["value"].items()
            assert kind in ("stringValue", "intValue") and type(value) is str, attribute
            assert kind == "stringValue" or re.fullmatch(r"\d{1,20}", value), attribute
            assert attribute["key"] not in found, attribute
            found[attribute["key"]] = value
        return found


class KafkaCluster(Receiver):
    """librdkafka's mock cluster (kafka_mock.cpp); what is in it, kcat says."""

    def __init__(self, program, topic):
        super().__init__()
        self.topic = topic
        self.process = subprocess.Popen([program, topic], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.brokers = self.process.stdout.readline().strip().split(",")

    def command(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def start(self):
        self.command("up")

    def stop(self):
        self.command("down")

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)

    def read(self):
        """(line, {key, partition, offset, time}) of all that is there, in the order of arrival."""
        done = subprocess.run(
            ["kcat", "-C", "-q", "-e", "-b", ",".join(self.brokers), "-t", self.topic, "-o",
             "beginning", "-f", "%k\\t%p\\t%o\\t%T\\t%h\\t%s\\n"],
            check=True, stdout=subprocess.PIPE, timeout=60)
        found = []
        for text in done.stdout.split(b"\n")[:-1]:
            key, partition, offset, time_, headers, line = text.split(b"\t", 5)
            found.append((line, {"key": key.decode(), "partition": int(partition),
                                 "offset": int(offset), "time": int(time_),
                                 "headers": headers.decode()}))
        # Each partition has its own order; a user's lines are all in one.
        return sorted(found, key=lambda f: (f[1]["partition"], f[1]["offset"]))

    def texts(self):
        self.lines = self.read()
        return [line for line, _ in self.lines]

    def count(self):
        return len(self.texts())


class KafkaThatSendsOn:
    """Answers two requests, ApiVersions and Metadata: the one broker there is has `address`."""

    def __init__(self, address):
        self.address, self.sent_on = address, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self.serve)

    def stop(self):
        self.listener.close()

    def serve(self, client):
        with client, client.makefile("rb") as requests:
            while len(size := requests.read(4)) == 4:
                request = requests.read(struct.unpack(">i", size)[0])
                key, version, number = struct.unpack(">hhi", request[:8])
                if key == 18:
                    # Produce, Metadata, ApiVersions, InitProducerId, and up to which version.
                    keys = ((0, 7), (3, 1), (18, 3), (22, 1))
                    body = (struct.pack(">hB", 0, len(keys) + 1)
                            + b"".join(struct.pack(">hhhB", key, 0, last, 0) for key, last in keys)
                            + struct.pack(">iB", 0, 0)) if version >= 3 else (
                        struct.pack(">hi", 0, len(keys))
                        + b"".join(struct.pack(">hhh", key, 0, last) for key, last in keys)
                        + (struct.pack(">i", 0) if version else b""))
                elif key == 3:
                    host, port = self.address
                    body = (struct.pack(">iih", 1, 1, len(host)) + host.encode()
                            + struct.pack(">i", port)
                            + (struct.pack(">hi", -1, 1) if version else b"")
                            + struct.pack(">i", 0))
                    self.sent_on += 1
                else:
                    return
                answer = struct.pack(">i", number) + body
                client.sendall(struct.pack(">i", len(answer)) + answer)
