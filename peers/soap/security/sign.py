"""Signs a SOAP message as foreign libraries do, for Pasarela to verify.

    sign.py HOW KEY.pem CERT.pem [CREATED] [URL] <BODY.xml >MESSAGE.xml

Reads the element that goes into the Body. HOW is one of those in `WAYS`; CREATED (an instant in UTC) is now unless given.
"""

import datetime
import sys
import uuid

import signxml
import xmlsec
from lxml import etree
from zeep.wsse import utils
from zeep.wsse.signature import BinarySignature, Signature

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = OASIS + "wssecurity-secext-1.0.xsd"
WSU = OASIS + "wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"


def envelope(body, created, soap=SOAP):
    """An envelope with a Timestamp."""
    until = (created + datetime.timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"""<s:Envelope xmlns:s="{soap}" xmlns:unused="urn:unused" xmlns:wsu="{WSU}">
  <s:Header>
    <wsse:Security xmlns:wsse="{WSSE}" s:mustUnderstand="1">
      <wsu:Timestamp wsu:Id="TS-1">
        <wsu:Created>{created.strftime("%Y-%m-%dT%H:%M:%SZ")}</wsu:Created>
        <wsu:Expires>{until}</wsu:Expires>
      </wsu:Timestamp>
    </wsse:Security>
  </s:Header>
  <s:Body wsu:Id="B-1"/>
</s:Envelope>"""
    tree = etree.fromstring(text)
    tree[1].append(body)
    return tree


def by_zeep(make):
    """The signatures that zeep makes with xmlsec."""

    def sign(body, key, cert, created, soap=SOAP):
        tree = envelope(body, created, soap)
        signer = make(key, cert)
        tree, _ = signer.apply(tree, {})
        return etree.tostring(tree)

    return sign


def zeep(kind, method, digest):
    return by_zeep(
        lambda key, cert: kind(key, cert, signature_method=method, digest_method=digest)
    )


def by_xmlsec(method, digest=xmlsec.Transform.SHA256, prefixes=None, clue="token", address=False):
    """A signature built by hand over Body, Timestamp and perhaps the blocks of WS-Addressing."""

    def sign(body, key, cert, created, soap=SOAP):
        tree = envelope(body, created, soap)
        header, security = tree[0], tree[0][0]
        ids = ["TS-1", "B-1"]
        if address:
            for number, (name, text) in enumerate([("Action", "urn:track"), ("To", "http://test/")]):
                block = etree.SubElement(header, f"{{{WSA}}}{name}", nsmap={"a": WSA})
                block.text = text
                block.set(f"{{{WSU}}}Id", f"A-{number}")
                ids.append(f"A-{number}")
        token = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken")
        token.set(f"{{{WSU}}}Id", "X-1")
        token.set("ValueType", OASIS + "x509-token-profile-1.0#X509v3")
        token.set("EncodingType", OASIS + "soap-message-security-1.0#Base64Binary")
        pem = open(cert).read().split("-----")
        token.text = "".join(pem[2].split())
        signature = xmlsec.template.create(tree, xmlsec.Transform.EXCL_C14N, method)
        if prefixes:
            form = signature.find(f".//{{{DS}}}CanonicalizationMethod")
            etree.SubElement(form, f"{{{EXC}}}InclusiveNamespaces", nsmap={"ec": EXC}).set("PrefixList", prefixes)
        security.append(signature)
        for name in ids:
            reference = xmlsec.template.add_reference(signature, digest, uri=f"#{name}")
            transform = xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
            if prefixes:
                etree.SubElement(transform, f"{{{EXC}}}InclusiveNamespaces", nsmap={"ec": EXC}).set("PrefixList", prefixes)
        info = xmlsec.template.ensure_key_info(signature)
        named = etree.SubElement(info, f"{{{WSSE}}}SecurityTokenReference")
        if clue == "token":
            reference = etree.SubElement(named, f"{{{WSSE}}}Reference")
            reference.set("URI", "#X-1")
        else:
            security.remove(token)
            kind, value = clues(cert)[clue]
            identifier = etree.SubElement(named, f"{{{WSSE}}}KeyIdentifier")
            identifier.set("ValueType", kind)
            identifier.text = value
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_file(key, xmlsec.KeyFormat.PEM)
        for element in tree.iter():
            if element.get(f"{{{WSU}}}Id"):
                context.register_id(element, "Id", WSU)
        context.sign(signature)
        return etree.tostring(tree)

    return sign


def clues(cert):
    """What else a certificate may be named by."""
    import base64

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    read = x509.load_pem_x509_certificate(open(cert, "rb").read())
    identifier = read.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    profile11 = "http://docs.oasis-open.org/wss/oasis-wss-soap-message-security-1.1#ThumbprintSHA1"
    return {
        "ski": (OASIS + "x509-token-profile-1.0#X509SubjectKeyIdentifier", base64.b64encode(identifier).decode()),
        "thumbprint": (profile11, base64.b64encode(read.fingerprint(hashes.SHA1())).decode()),
    }


def by_signxml(algorithm):
    """The signature of signxml, which is in Python altogether; its KeyInfo is an X509Data."""

    def sign(body, key, cert, created, soap=SOAP):
        tree = envelope(body, created, soap)
        security = tree[0][0]
        exclusive = signxml.CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0
        signer = signxml.XMLSigner(
            method=signxml.methods.detached,
            signature_algorithm=algorithm,
            digest_algorithm="sha256",
            c14n_algorithm=exclusive,
        )
        signer.excise_empty_xmlns_declarations = True
        references = [
            signxml.SignatureReference(URI=f"#{name}", c14n_method=exclusive) for name in ["TS-1", "B-1"]
        ]
        signature = signer.sign(
            tree,
            key=open(key, "rb").read(),
            cert=open(cert).read(),
            reference_uri=references,
            id_attribute="Id",
        )
        security.append(signature)
        return etree.tostring(tree)

    return sign


T = xmlsec.Transform
WAYS = {
    "zeep-token": zeep(BinarySignature, T.RSA_SHA256, T.SHA256),
    "zeep-token-sha512": zeep(BinarySignature, T.RSA_SHA512, T.SHA512),
    "zeep-token-sha1": zeep(BinarySignature, T.RSA_SHA1, T.SHA1),
    "zeep-x509data": zeep(Signature, T.RSA_SHA256, T.SHA256),
    "xmlsec-rsa384": by_xmlsec(T.RSA_SHA384, T.SHA384),
    "xmlsec-ecdsa": by_xmlsec(T.ECDSA_SHA256),
    "xmlsec-prefixes": by_xmlsec(T.RSA_SHA256, prefixes="unused s #default", address=True),
    "xmlsec-ski": by_xmlsec(T.RSA_SHA256, clue="ski"),
    "xmlsec-thumbprint": by_xmlsec(T.RSA_SHA256, clue="thumbprint"),
    "signxml-rsa": by_signxml("rsa-sha256"),
    "signxml-pss": by_signxml(signxml.SignatureMethod.SHA256_RSA_MGF1),
    "signxml-ecdsa": by_signxml("ecdsa-sha256"),
}


def main():
    how, key, cert = sys.argv[1:4]
    created = datetime.datetime.now(datetime.timezone.utc)
    if len(sys.argv) > 4:
        created = datetime.datetime.strptime(sys.argv[4], "%Y-%m-%dT%H:%M:%SZ")
    body = etree.fromstring(sys.stdin.buffer.read())
    sys.stdout.buffer.write(WAYS[how](body, key, cert, created))


if __name__ == "__main__":
    main()
