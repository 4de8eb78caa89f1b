"""Python's email package as a writer and a reader of messages in parts.

`mime_mail.py write KIND`: a SOAP message with two files, written so: `plain` (binary), `base64`, `printable` (the root), `last` (the
root is the last part, named by start).
`mime_mail.py read`: the parts of a message on standard input, as JSON: identifier, media type, bytes in base64.
"""

import base64
import email
import json
import sys
from email import encoders
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.policy import HTTP

FILES = {"one@example.org": b"\x00\r\n--=\xff", "two@example.org": bytes(n * 7 % 251 for n in range(200000))}
ENVELOPE = """<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
<f:Echo xmlns:f="urn:pasarela:peers:files"><f:name>\u00d1and\u00fa = 1</f:name>%s</f:Echo></s:Body></s:Envelope>"""
INCLUDE = '<f:data><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:%s"/></f:data>'


def write(kind):
    message = MIMEMultipart("related", type="application/xop+xml", start="<root@example.org>", policy=HTTP)
    root = MIMENonMultipart("application", "xop+xml", type="text/xml", charset="utf-8", policy=HTTP)
    root.set_payload((ENVELOPE % "".join(INCLUDE % name for name in FILES)).encode())
    {"base64": encoders.encode_base64, "printable": encoders.encode_quopri}.get(kind, encoders.encode_7or8bit)(root)
    root["Content-ID"] = "<root@example.org>"
    parts = [root]
    for name, content in FILES.items():
        encoder = encoders.encode_base64 if kind == "base64" else encoders.encode_noop
        part = MIMEApplication(content, _encoder=encoder, policy=HTTP)
        if kind != "base64":
            part["Content-Transfer-Encoding"] = "binary"
        part["Content-ID"] = f"<{name}>"
        part.add_header("Content-Disposition", "attachment", filename="../../etc/passwd")
        parts.append(part)
    if kind == "last":
        parts.reverse()
    for part in parts:
        message.attach(part)
    return bytes_of(message, parts)


def bytes_of(message, parts):
    """As `as_bytes`, whose generator would change line ends in binary parts."""
    boundary = "===============7330845974216740156=="
    message.set_boundary(boundary)
    out = [f"{name}: {value}\r\n".encode() for name, value in message.items()]
    out.append(b"\r\n")
    for part in parts:
        out.append(f"--{boundary}\r\n".encode())
        out.extend(f"{name}: {value}\r\n".encode() for name, value in part.items())
        if part["Content-Transfer-Encoding"] in ("base64", "quoted-printable"):
            payload = part.get_payload().encode().replace(b"\n", b"\r\n")
        else:
            payload = part.get_payload(decode=True)
        out.extend([b"\r\n", payload, b"\r\n"])
    out.append(f"--{boundary}--\r\n".encode())
    return b"".join(out)


def read():
    message = email.message_from_bytes(sys.stdin.buffer.read(), policy=HTTP)
    assert message.get_content_type() == "multipart/related", message.get_content_type()
    return [
        {
            "id": part["Content-ID"],
            "type": part.get_content_type(),
            "bytes": base64.b64encode(part.get_payload(decode=True)).decode(),
        }
        for part in message.get_payload()
    ]


if sys.argv[1] == "write":
    sys.stdout.buffer.write(write(sys.argv[2]))
else:
    print(json.dumps(read()))
