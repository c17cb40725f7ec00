"""Identity providers for the tests: keys of each algorithm, JWK Sets, and tokens of any shape."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import time

P256 = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
GENERATE = {"EdDSA": ["-algorithm", "ed25519"], "ES256": P256, "RS256": ["-algorithm", "RSA"]}


def encode(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def raw_signature(der):
    """r and s, 32 bytes each, out of DER's SEQUENCE of two INTEGERs."""
    at, numbers = 2, []
    for _ in range(2):
        size = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big").to_bytes(32, "big"))
        at += 2 + size
    return b"".join(numbers)


class Key:
    """A private key in `folder`, of the algorithm `alg`."""

    def __init__(self, folder, kid, alg):
        self.kid, self.alg = kid, alg
        self.path = folder / f"{kid}.pem"
        if not self.path.exists():
            openssl("genpkey", *GENERATE[alg], "-out", self.path)

    def public(self, form="DER"):
        return openssl("pkey", "-in", self.path, "-pubout", "-outform", form)

    def jwk(self, **changes):
        der = self.public()
        if self.alg == "EdDSA":
            members = {"kty": "OKP", "crv": "Ed25519", "x": encode(der[-32:])}
        elif self.alg == "ES256":
            members = {"kty": "EC", "crv": "P-256", "x": encode(der[-64:-32]),
                       "y": encode(der[-32:])}
        else:
            modulus = openssl("rsa", "-in", self.path, "-noout", "-modulus").split(b"=")[1]
            members = {"kty": "RSA", "n": encode(bytes.fromhex(modulus.decode())), "e": "AQAB"}
        return {**members, "kid": self.kid, "use": "sig", "alg": self.alg, **changes}

    def sign(self, text, alg=None, raw=True):
        """The bytes of a signature; `alg` is in truth another where it is given."""
        source = self.path.with_suffix(".text")
        source.write_text(text)
        if self.alg == "EdDSA":
            return openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", source)
        options = {"PS256": ["-sha256", "-sigopt", "rsa_padding_mode:pss"],
                   "RS512": ["-sha512"]}.get(alg, ["-sha256"])
        signature = openssl("dgst", *options, "-sign", self.path, source)
        return raw_signature(signature) if self.alg == "ES256" and raw else signature

    def token(self, claims, header=None, **signing):
        header = {"alg": self.alg, "typ": "JWT", "kid": self.kid} if header is None else header
        text = f"{encode(header)}.{encode(claims)}"
        return f"{text}.{encode(self.sign(text, **signing))}"


def key_set(*keys):
    return json.dumps({"keys": [key if isinstance(key, dict) else key.jwk() for key in keys]})


def claims(issuer, user, database, **changes):
    now = int(time.time())
    made = {"iss": issuer, "sub": user, "aud": "vitrine", "iat": now, "nbf": now, "exp": now + 600,
            "jti": f"test-{time.monotonic_ns()}", "databases": [database], "groups": []}
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


class JwksServer:
    """An HTTPS server that shows a JWK Set; `requests` counts who asked for which path."""

    def __init__(self, certificate, key, port=0):
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self.port, self.requests = port, []
        self.status, self.headers, self.body, self.delay = 200, {}, "", 0
        self._server = None
        self.start()

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append(self.path)
                time.sleep(outer.delay)
                body = outer.body.encode()
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, address):
                # The handshake in the request's own thread: a client that dawdles stops nobody.
                with outer._context.wrap_socket(request, server_side=True) as wrapped:
                    super().finish_request(wrapped, address)

            def handle_error(self, *_):
                pass

        self._server = Server(("0.0.0.0", self.port), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def show(self, *keys):
        self.body = key_set(*keys)
