"""Exclusive canonical form of parts of documents, as libxmlsec signs it and as lxml makes it; both stand on libxml2.

Called as `canonical.py parts`. Each line of standard input is a document in Base64, the number of an element in it (the root is 0,
and is not asked for) and the prefixes that are listed, with blanks between. Each line of standard output is the digest, SHA-256 in
Base64, of the element's form in a signature, and the form in Base64 as lxml makes it, to look at where something else was expected.
"""

import base64
import sys

import xmlsec
from lxml import etree

DS = "{http://www.w3.org/2000/09/xmldsig#}"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"


def signed(tree, element, prefixes):
    """The digest that a signature beside the element holds."""
    transforms = xmlsec.Transform
    signature = xmlsec.template.create(tree, transforms.EXCL_C14N, transforms.HMAC_SHA256)
    reference = xmlsec.template.add_reference(signature, transforms.SHA256, uri="#the-part")
    transform = xmlsec.template.add_transform(reference, transforms.EXCL_C14N)
    if prefixes:
        listed = etree.SubElement(transform, f"{{{EXC}}}InclusiveNamespaces", nsmap={"ec": EXC})
        listed.set("PrefixList", " ".join(prefixes))
    tree.append(signature)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, b"0123456789abcdef")
    context.register_id(element, "Id")
    context.sign(signature)
    return signature.find(f".//{DS}DigestValue").text


def form(element, prefixes):
    listed = ["" if prefix == "#default" else prefix for prefix in prefixes]
    how = {"method": "c14n", "exclusive": True, "with_comments": False, "with_tail": False}
    return etree.tostring(element, inclusive_ns_prefixes=listed or None, **how)


def main():
    # All of it first: whoever asks does not listen before it has asked.
    for line in sys.stdin.readlines():
        document, number, *prefixes = line.split()
        tree = etree.fromstring(base64.b64decode(document))
        element = list(tree.iter("*"))[int(number)]
        shown = base64.b64encode(form(element, prefixes)).decode()
        print(signed(tree, element, prefixes), shown)


if __name__ == "__main__":
    main()
