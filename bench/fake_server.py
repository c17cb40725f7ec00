#!/usr/bin/python3
"""A PostgreSQL with room for any number of idle sessions.

    bench/fake_server.py SERVER_PORT < PASSWORD

Prints the port that it listens on.
Stands in front of a real one. The first session with a startup packet is logged in there; what the
server said to it, at the login and to each statement, is said again to every later one with the same
packet. No password is asked for. The connections that load vitrine's catalog are handed through.
"""

import asyncio
import struct
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent.parent / "tests/integration")]

from wire_client import (CANCEL_REQUEST, GSSENC_REQUEST, SSL_REQUEST, WireClient,  # noqa: E402
                         message)

HEADER = 5


class Original:
    """A session at the real server, and what it said."""

    def __init__(self, port, parameters, password):
        self._session, self._answers = WireClient(port), {}
        parameters = dict(parameters)
        said = self._session.login(parameters.pop("user"), parameters.pop("database"), password,
                                   **parameters)
        if said[-1].name != "ReadyForQuery":
            raise RuntimeError(f"the server refuses: {said[-1]}")
        first = max(i for i, one in enumerate(said) if one.name == "Authentication")
        self.greeting = b"".join(message(one.kind, one.payload) for one in said[first:])

    def answer(self, batch):
        if batch not in self._answers:
            self._session.send(batch)
            self._answers[batch] = b"".join(
                message(one.kind, one.payload)
                for one in self._session.receive_until("ReadyForQuery"))
        return self._answers[batch]


class FakeServer:
    def __init__(self, server_port, password):
        self._server_port, self._password, self._originals = server_port, password, {}

    async def serve(self, reader, writer):
        try:
            await self._session(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _session(self, reader, writer):
        while True:
            length = await reader.readexactly(4)
            packet = await reader.readexactly(struct.unpack("!I", length)[0] - 4)
            (code,) = struct.unpack_from("!I", packet)
            if code == CANCEL_REQUEST:
                return
            if code not in (SSL_REQUEST, GSSENC_REQUEST):
                break
            writer.write(b"N")
        words = packet[4:].decode().split("\0")
        parameters = dict(zip(words[::2], words[1::2]))
        parameters.pop("", None)
        if parameters.get("application_name") == "vitrine catalog":
            await self._hand_through(length + packet, reader, writer)
            return
        if packet not in self._originals:
            self._originals[packet] = Original(self._server_port, parameters, self._password)
        original = self._originals[packet]
        writer.write(original.greeting)
        batch = b""
        while True:
            header = await reader.readexactly(HEADER)
            batch += header + await reader.readexactly(struct.unpack("!I", header[1:])[0] - 4)
            if header[:1] == b"X":
                return
            if header[:1] in (b"Q", b"S"):
                writer.write(original.answer(batch))
                batch = b""

    async def _hand_through(self, first, reader, writer):
        async def pass_on(source, target):
            while chunk := await source.read(1 << 16):
                target.write(chunk)
                await target.drain()
            target.close()

        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        server_writer.write(first)
        await asyncio.gather(pass_on(reader, server_writer), pass_on(server_reader, writer))


async def main():
    fake = FakeServer(int(sys.argv[1]), sys.stdin.read())
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
