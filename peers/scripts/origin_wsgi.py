"""The origin of the tests as a WSGI application, for gunicorn. One line a request on standard output."""
import hashlib
import json
import posixpath
import sys


def application(environ, start_response):
    target = environ.get("RAW_URI") or environ["PATH_INFO"]
    # In one piece: threads print at the same time.
    sys.stdout.write(f"{environ.get('REMOTE_PORT', '0')} {environ['REQUEST_METHOD']} {target}\n")
    sys.stdout.flush()
    _, what, *rest = target.split("?")[0].split("/")
    number = int(rest[0]) if rest and rest[0].isdigit() else 0
    zoo = [("X-Zoo", "wsgi")]
    if posixpath.normpath(environ["PATH_INFO"].replace("\\", "/")).lstrip("/") == "admin/secret.txt":
        start_response("200 OK", zoo)
        return [b"the-secret-of-the-zoo"]
    if what == "status":
        body = b"" if number in (204, 205, 304) else b"status %d\n" % number
        if 300 <= number < 400 and number != 304:
            zoo.append(("Location", "/elsewhere?a=b"))
        if body:
            zoo.append(("Content-Length", str(len(body))))
        start_response(f"{number} Some Reason", zoo)
        return [body]
    if what == "big":
        start_response("200 OK", [*zoo, ("Content-Length", str(number)), ("Content-Type", "application/octet-stream")])
        return [(b"abcdefghij" * (number // 10 + 1))[:number]]
    if what == "chunked":
        start_response("200 OK", [*zoo, ("Content-Type", "text/plain")])
        return (b"chunk %d\n" % i for i in range(number))
    length, digest = 0, hashlib.sha256()
    while part := environ["wsgi.input"].read(65536):
        length += len(part)
        digest.update(part)
    headers = sorted([k[5:].lower().replace("_", "-"), v] for k, v in environ.items() if k.startswith("HTTP_"))
    seen = {"method": environ["REQUEST_METHOD"], "target": target, "headers": headers, "length": length, "sha256": digest.hexdigest()}
    text = json.dumps(seen).encode()
    start_response("200 OK", [*zoo, ("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text]
