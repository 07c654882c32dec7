"""A mail server that delivers nothing: it writes down what it took, and misbehaves where the recipient says so.

    mail-sink.py [--record FILE] [--delay MS] [--tls starttls|implicit] [--certificate DIR] [--auth USER:PASSWORD]
                 [--mechanism plain|login] [--gate FILE] [--quiet]

For tests and measurements, with aiosmtpd (deploy/python-requirements.txt). Prints its port, then a JSON line for each
mail it took, and ends with its standard input. A mail counts as taken before it is answered, as with any mail server:
FILE gets its X-Aftercare-Message then, a line each. --delay is the most a mail takes, half before that and half after.

The recipient's local part, up to a +, says what happens:

    busy+N        451 to the first N mails with that X-Aftercare-Message
    nobody        550 to RCPT                   drop-before-data  closes instead of answering DATA
    full          452 to DATA                   stall-before-data never answers DATA
    spam          554 after the message         drop-after-dot    takes the mail and closes
    gate          250, once --gate exists       stall-after-dot   takes the mail and never answers
    gate-busy     451, once --gate exists       gate-spam         554, once --gate exists
"""
import argparse
import asyncio
import collections
import email
import email.policy
import json
import logging
import os
import random
import ssl
import subprocess
import sys
import warnings

from aiosmtpd.smtp import SMTP, AuthResult

options = argparse.ArgumentParser()
options.add_argument("--record")
options.add_argument("--delay", type=float, default=0)
options.add_argument("--tls", choices=["starttls", "implicit"])
options.add_argument("--certificate")
options.add_argument("--auth")
options.add_argument("--mechanism", choices=["plain", "login"])
options.add_argument("--gate")
options.add_argument("--quiet", action="store_true")
options = options.parse_args()

record = os.open(options.record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644) if options.record else None
tries = collections.Counter()


def behaviour(envelope):
    local = envelope.rcpt_tos[-1].rsplit("@", 1)[0] if envelope.rcpt_tos else ""
    name, _, number = local.partition("+")
    return name, int(number) if number.isdigit() else 0


async def gate():
    while not os.path.exists(options.gate):
        await asyncio.sleep(0.01)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, parameters):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        delay = random.uniform(0, options.delay / 2000)
        await asyncio.sleep(delay)
        name, number = behaviour(envelope)
        if options.quiet:
            key = next((line[20:].strip().decode() for line in envelope.content.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
                        if line.lower().startswith(b"x-aftercare-message:")), "")
        else:
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            key = mail["X-Aftercare-Message"] or ""
        tries[key] += 1
        if name == "busy" and tries[key] <= number:
            return "451 4.3.0 busy"
        if name == "spam":
            return "554 5.7.1 spam"
        if name in ("gate-busy", "gate-spam"):
            print(json.dumps({"key": key, "waiting": True}), flush=True)
            await gate()
            return "451 4.3.0 busy" if name == "gate-busy" else "554 5.7.1 spam"
        if record is not None:
            os.write(record, key.encode() + b"\n")
        if not options.quiet:
            print(json.dumps({
                "key": key, "from": envelope.mail_from, "to": envelope.rcpt_tos,
                "headers": [[name, str(value)] for name, value in mail.items()], "body": mail.get_content(),
                "tls": session.ssl is not None or options.tls == "implicit", "signed_in": bool(session.authenticated),
            }), flush=True)
        if name == "gate":
            await gate()
        if name == "drop-after-dot":
            server.transport.abort()
        if name == "stall-after-dot":
            await asyncio.Event().wait()
        await asyncio.sleep(delay)
        return f"250 2.0.0 taken as {tries[key]}"


class Server(SMTP):
    async def smtp_DATA(self, arg):
        name, _ = behaviour(self.envelope)
        if name == "full":
            return await self.push("452 4.3.1 disk full")
        if name == "drop-before-data":
            return self.transport.abort()
        if name == "stall-before-data":
            await asyncio.Event().wait()
        await super().smtp_DATA(arg)


def authenticate(server, session, envelope, mechanism, data):
    user, _, password = options.auth.partition(":")
    return AuthResult(success=(data.login.decode(), data.password.decode()) == (user, password), handled=False)


def certificate():
    key, chain = f"{options.certificate}/key.pem", f"{options.certificate}/certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", chain],
        check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def session(context):
    return Server(
        Handler(), hostname="sink.test", tls_context=context if options.tls == "starttls" else None,
        require_starttls=options.tls == "starttls", auth_required=bool(options.auth), auth_require_tls=False,
        auth_exclude_mechanism={"plain": ["LOGIN"], "login": ["PLAIN"]}.get(options.mechanism, []),
        authenticator=authenticate if options.auth else None)


async def main():
    warnings.simplefilter("ignore")
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    loop = asyncio.get_running_loop()
    # A client that is killed in the middle of its mail is no error here.
    loop.set_exception_handler(lambda loop, context: None)
    context = certificate() if options.tls else None
    server = await loop.create_server(
        lambda: session(context), "127.0.0.1", 0, backlog=1024, ssl=context if options.tls == "implicit" else None)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    os._exit(0)  # connections and all


asyncio.run(main())
