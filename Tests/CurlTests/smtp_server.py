"""A small SMTP server that fails at the step asked for. Standard library only.

    smtp_server.py MODE [DIRECTORY]

Prints its port as the first line, then one JSON line per thing that happened. Ends when its standard input ends.
DIRECTORY turns STARTTLS on, with a self-signed certificate made there (certificate.pem).
"""
import asyncio
import base64
import json
import os
import socket
import ssl
import sys

from http_server import say, tls

MODE = sys.argv[1]
USER, PASSWORD = "shop", "correct horse"


class Ended(Exception):
    pass


class Session:
    def __init__(self, context):
        self.context = context
        self.secure = False
        self.signed_in = False

    async def say(self, text):
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    async def line(self):
        line = await self.reader.readline()
        if not line:
            raise Ended
        return line.decode().rstrip("\r\n")

    async def serve(self, reader, writer):
        self.reader, self.writer = reader, writer
        try:
            await self.greet()
            while True:
                await self.command(await self.line())
        except (Ended, ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
            pass
        finally:
            self.writer.close()

    async def greet(self):
        if MODE == "greeting-554":
            await self.say("554 no service")
            raise Ended
        if MODE == "mute":
            say({"event": "mute"})
            await asyncio.Event().wait()
        await self.say("220 test ready")

    async def command(self, line):
        verb = line.split(" ")[0].split(":")[0].upper()
        if verb == "EHLO":
            offers = ["test", "SIZE 10000000", "8BITMIME"]
            if self.context and not self.secure:
                offers.append("STARTTLS")
            if MODE.startswith("auth"):
                offers.append("AUTH PLAIN" if MODE == "auth-plain" else "AUTH LOGIN")
            for offer in offers[:-1]:
                await self.say("250-" + offer)
            await self.say("250 " + offers[-1])
        elif verb == "STARTTLS":
            await self.say("220 go ahead")
            await self.writer.start_tls(self.context)
            self.secure = True
        elif verb == "AUTH":
            await self.authenticate(line)
        elif verb == "MAIL":
            if MODE.startswith("auth") and not self.signed_in:
                return await self.say("530 sign in first")
            self.sender, self.recipients = line, []
            await self.say("250 ok")
        elif verb == "RCPT":
            if "nobody@" in line:
                return await self.say("550-no such\r\n550 user")
            self.recipients.append(line)
            await self.say("250 ok")
        elif verb == "DATA":
            await self.data()
        elif verb == "QUIT":
            say({"event": "quit"})
            if MODE == "stall-after-accept":
                await asyncio.Event().wait()
            await self.say("221 bye")
            raise Ended
        else:
            await self.say("500 what")

    async def authenticate(self, line):
        async def ask(prompt):
            await self.say("334 " + base64.b64encode(prompt.encode()).decode())
            return base64.b64decode(await self.line()).decode()

        words = line.split(" ")
        if words[1].upper() == "PLAIN":
            if len(words) > 2:
                given = base64.b64decode(words[2]).decode()
            else:
                given = await ask("")
            _, user, password = given.split("\0")
        else:
            user = base64.b64decode(words[2]).decode() if len(words) > 2 else await ask("Username:")
            password = await ask("Password:")
        self.signed_in = (user, password) == (USER, PASSWORD)
        await self.say("235 welcome" if self.signed_in else "535 wrong")

    async def data(self):
        if MODE == "stall-before-354":
            say({"event": "stalled"})
            await asyncio.Event().wait()
        if MODE == "close-before-354":
            raise Ended
        if MODE == "452-to-data":
            return await self.say("452 disk full")
        await self.say("354 go on")
        if MODE == "552-in-message":
            await self.reader.read(1000)
            await self.say("552 too big")
            say({"event": "refused in message"})
            raise Ended
        if MODE == "stall-in-message":
            await self.reader.read(1000)
            say({"event": "stalled"})
            await asyncio.Event().wait()
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise Ended
            lines.append(line[1:] if line.startswith(b".") else line)
        message = base64.b64encode(b"".join(lines)).decode()
        say({"event": "mail", "from": self.sender, "to": self.recipients, "message": message})
        if MODE == "451-after-message":
            return await self.say("451 try later")
        if MODE == "554-after-message":
            return await self.say("554 no")
        if MODE == "close-after-message":
            raise Ended
        if MODE == "stall-after-message":
            await asyncio.Event().wait()
        if MODE == "nonsense-after-message":
            return await self.say("hello")
        await self.say("250-queued\r\n250 as 42")


async def main():
    context = tls(sys.argv[2]) if len(sys.argv) > 2 else None
    listener = socket.create_server(("127.0.0.1", 0))
    # Little room, so that a message a stalled server does not read cannot disappear into buffers.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    server = await asyncio.start_server(lambda r, w: Session(context).serve(r, w), sock=listener)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    os._exit(0)  # connections and all


if __name__ == "__main__":
    asyncio.run(main())
