"""http-message-signatures signs requests, as it is and changed afterwards: signature_peers.py keys FOLDER | call FOLDER URL

`keys` writes the keys of three algorithms; `call` prints for each what becomes of good requests and of ones that were changed."""

import pathlib
import sys

import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

SECRET = b"a secret of more than sixteen bytes"
COVERS = ("@method", "@authority", "@path", "@query", "content-type", "x-order")
ALGORITHMS = {
    "hmac-sha256": algorithms.HMAC_SHA256,
    "ed25519": algorithms.ED25519,
    "ecdsa-p256-sha256": algorithms.ECDSA_P256_SHA256,
}

command, folder = sys.argv[1], pathlib.Path(sys.argv[2])

if command == "keys":
    (folder / "hmac-sha256.key").write_bytes(SECRET)
    pairs = {"ed25519": ed25519.Ed25519PrivateKey.generate(), "ecdsa-p256-sha256": ec.generate_private_key(ec.SECP256R1())}
    for name, pair in pairs.items():
        (folder / f"{name}.key").write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pem").write_bytes(public)
    sys.exit()


class Keys(HTTPSignatureKeyResolver):
    def resolve_private_key(self, key_id):
        return (folder / f"{key_id}.key").read_bytes()


url = sys.argv[3]
session = requests.Session()
session.trust_env = False


def signed(name, method, body):
    fields = {"Content-Type": "application/json", "X-Order": "1"}
    request = requests.Request(method, url + "/t/things?a=1&b=%C3%A9", data=body, headers=fields).prepare()
    request.headers["Host"] = request.url.split("/")[2]
    covers = COVERS + (("content-digest",) if body else ())
    signed.count += 1
    more = {"body": body} if body else {}
    signer = HTTPMessageSigner(signature_algorithm=ALGORITHMS[name], key_resolver=Keys())
    signer.sign(request, key_id=name, covered_component_ids=covers, nonce=str(signed.count), **more)
    return request


signed.count = 0


def set_body(request, body):
    request.body = body
    request.headers["Content-Length"] = str(len(body))


def set_url(old, new):
    def change(request):
        assert old in request.url
        request.url = request.url.replace(old, new)

    return change


def in_field(name, old, new):
    def change(request):
        assert old in request.headers[name], request.headers[name]
        request.headers[name] = request.headers[name].replace(old, new, 1)

    return change


CHANGES = [
    lambda request: setattr(request, "method", "PUT"),
    set_url("/things", "/thing"),
    set_url("a=1", "a=2"),
    set_url("%C3%A9", "%C3%A8"),
    lambda request: request.headers.update({"Host": "other.example"}),
    in_field("Content-Type", "json", "JSON"),
    in_field("X-Order", "1", "2"),
    lambda request: request.headers.pop("X-Order"),
    lambda request: set_body(request, b'{"pay": 99}'),
    in_field("Content-Digest", "=:", "=:A"),
    in_field("Signature-Input", "created=1", "created=2"),
    in_field("Signature-Input", 'nonce="', 'nonce="1'),
    in_field("Signature-Input", ' "x-order"', ""),
    in_field("Signature", "=:", "=:A"),
]

for name in ALGORITHMS:
    good = [session.send(signed(name, "GET", b"")), session.send(signed(name, "POST", b'{"pay": 10}'))]
    answers = []
    for change in CHANGES:
        request = signed(name, "POST", b'{"pay": 10}')
        change(request)
        answers.append(session.send(request).status_code)
    again = signed(name, "POST", b'{"pay": 10}')
    twice = [session.send(again).status_code for _ in range(2)]
    print(name, *[answer.status_code for answer in good], "changed", *sorted(set(answers)), "again", *twice)
