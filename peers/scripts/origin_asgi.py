"""The origin of the tests as an ASGI application, for uvicorn. One line a request on standard output."""
import hashlib
import json
import posixpath


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target += "?" + scope["query_string"].decode("latin-1")
    print(scope["client"][1], scope["method"], target, flush=True)
    _, what, *rest = target.split("?")[0].split("/")
    number = int(rest[0]) if rest and rest[0].isdigit() else 0

    async def answer(status, headers, *parts):
        headers = [(b"x-zoo", b"asgi"), *headers]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    if posixpath.normpath(scope["path"].replace("\\", "/")).lstrip("/") == "admin/secret.txt":
        return await answer(200, [], b"the-secret-of-the-zoo")
    if what == "status":
        body = b"" if number in (204, 205, 304) else b"status %d\n" % number
        headers = [(b"content-length", b"%d" % len(body))] if body else []
        if 300 <= number < 400 and number != 304:
            headers.append((b"location", b"/elsewhere?a=b"))
        return await answer(number, headers, *([body] if body else []))
    if what == "big":
        body = (b"abcdefghij" * (number // 10 + 1))[:number]
        return await answer(200, [(b"content-length", b"%d" % number), (b"content-type", b"application/octet-stream")], body)
    if what == "chunked":
        return await answer(200, [(b"content-type", b"text/plain")], *(b"chunk %d\n" % i for i in range(number)))
    length, digest, more = 0, hashlib.sha256(), True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        length += len(event["body"])
        digest.update(event["body"])
        more = event.get("more_body", False)
    headers = [[k.decode("latin-1"), v.decode("latin-1")] for k, v in scope["headers"]]
    seen = {"method": scope["method"], "target": target, "headers": headers, "length": length, "sha256": digest.hexdigest()}
    text = json.dumps(seen).encode()
    await answer(200, [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))], text)
