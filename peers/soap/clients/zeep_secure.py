"""zeep as a caller that proves itself by WS-Security. Usage: zeep_secure.py WSDL digest|text|signed|both KEY.pem CERT.pem

Adds up three numbers and prints the sum; exit code 1 and the fault when that fails.
"""

import sys

import xmlsec
from zeep import Client
from zeep.exceptions import Fault
from zeep.wsse import utils
from zeep.wsse.signature import BinarySignature
from zeep.wsse.username import UsernameToken


class Signed(BinarySignature):
    """A signature over Body and Timestamp. The answer has none, since nobody signs it."""

    def __init__(self, key, cert):
        super().__init__(
            key, cert, signature_method=xmlsec.Transform.RSA_SHA256, digest_method=xmlsec.Transform.SHA256
        )

    def apply(self, envelope, headers):
        import datetime

        now = datetime.datetime.now(datetime.timezone.utc)
        stamp = utils.WSU.Timestamp(
            utils.WSU.Created(utils.get_timestamp(now)),
            utils.WSU.Expires(utils.get_timestamp(now + datetime.timedelta(minutes=1))),
        )
        utils.get_security_header(envelope).append(stamp)
        return super().apply(envelope, headers)

    def verify(self, envelope):
        return envelope


class Both:
    """A user, and then a signature."""

    def __init__(self, *parts):
        self.parts = parts

    def apply(self, envelope, headers):
        for part in self.parts:
            envelope, headers = part.apply(envelope, headers)
        return envelope, headers

    def verify(self, envelope):
        return envelope


def main():
    wsdl, how, key, cert = sys.argv[1:]
    user = UsernameToken("alice", "open sesame", use_digest=how != "text")
    proofs = {"digest": user, "text": user, "signed": Signed(key, cert), "both": Both(user, Signed(key, cert))}
    client = Client(wsdl, wsse=proofs[how])
    try:
        print(client.service.AddUp(value=[1, 2, 39]).sum)
    except Fault as fault:
        print(fault.code, fault.message)
        sys.exit(1)


if __name__ == "__main__":
    main()
