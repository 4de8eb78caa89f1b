"""Do readers that know nothing of ours agree that a WSDL cannot be used?

Called as `refused.py FOLDER`. Each line of standard input is a file of the folder and the reason for which it was refused, with a
tab between; each line of standard output is that file, who confirms it, and in what words. Whoever confirms nothing
is `nobody`. Nothing is fetched.
"""

import copy
import logging
import os
import re
import shutil
import signal
import sys
import tempfile
import warnings

import xmlschema
from lxml import etree
from zeep.settings import Settings
from zeep.transports import Transport
from zeep.wsdl import Document

XS = "{http://www.w3.org/2001/XMLSchema}"
WSDL = "{http://schemas.xmlsoap.org/wsdl/}"


class Offline(Transport):
    def load(self, url):
        if url.startswith("http"):
            raise OSError("there is no network: " + url)
        return super().load(url)


def by_zeep(path, _tree, _reason):
    """zeep does not load it."""
    try:
        Document(path, Offline(timeout=1), settings=Settings(strict=True, forbid_external=False))
    except Exception as error:  # whatever it stumbles over
        return f"{type(error).__name__}: {error}"
    return None


def schemas_apart(path, tree):
    """The schemas in a WSDL as files of a folder, which find each other; the folder is the caller's to remove."""
    inside = list(tree.getroot().iter(XS + "schema"))
    folder = tempfile.mkdtemp(prefix="pasarela-oracle-")
    names = [os.path.join(folder, f"{number}.xsd") for number in range(len(inside))]
    of = {}
    for name, schema in zip(names, inside):
        of.setdefault(schema.get("targetNamespace", ""), []).append(name)
    for name, schema in zip(names, inside):
        schema = copy.deepcopy(schema)
        for reference in schema.iter(XS + "import", XS + "include", XS + "redefine"):
            location = reference.get("schemaLocation")
            namespace = reference.get("namespace", "")
            if location and "://" not in location:
                reference.set("schemaLocation", os.path.join(os.path.dirname(path), location))
            elif reference.tag == XS + "import" and namespace in of:
                reference.set("schemaLocation", of[namespace][0])
        same = of[schema.get("targetNamespace", "")]
        if name == same[0]:
            for other in same[1:]:
                schema.insert(0, etree.Element(XS + "include", schemaLocation=other))
        etree.ElementTree(schema).write(name)
    return folder, names


def by_libxml2(path, tree, _reason):
    """libxml2 does not compile a schema in it."""
    folder, names = schemas_apart(path, tree)
    try:
        for name in names:
            etree.XMLSchema(etree.parse(name))
    except etree.Error as error:
        return str(error).replace(folder, "")
    finally:
        shutil.rmtree(folder)
    return None


def by_xmlschema(path, tree, _reason):
    """The package xmlschema does not."""
    folder, names = schemas_apart(path, tree)
    try:
        for name in names:
            xmlschema.XMLSchema10(name, defuse="always", allow="local")
    except Exception as error:  # its faults have no common ancestor but this
        return str(error).replace(folder, "")
    finally:
        shutil.rmtree(folder)
    return None


def by_looking(path, tree, reason):
    """What the reason says is missing is not there, or the root is the one that it names."""
    root = tree.getroot()
    found = re.search(r"its root element is (\S+)$", reason)
    if found or "this is WSDL 2.0" in reason:
        return None if root.tag == WSDL + "definitions" else f"the root is {root.tag}"
    found = re.search(r"there is no (element|type|message|portType|binding) \{(.*)\}(\S+)$", reason)
    if found:
        kind, namespace, local = found.groups()
        home = XS + "schema" if kind in ("element", "type") else WSDL + "definitions"
        tags = [XS + "complexType", XS + "simpleType"] if kind == "type" else [(XS if kind == "element" else WSDL) + kind]
        for document in reachable(path, tree):
            for holder in document.getroot().iter(home):
                if holder.get("targetNamespace", "") == namespace:
                    for child in holder:
                        if child.tag in tags and child.get("name") == local:
                            return None
        return f"no {kind} of this name in the documents that belong to it"
    found = re.search(r"the message (\S+) has no part (\S+)$", reason)
    if found:
        message, part = found.groups()
        local = message.rsplit("}", 1)[-1]
        for element in root.iter(WSDL + "message"):
            if element.get("name") == local and any(p.get("name") == part for p in element):
                return None
        return "no such part"
    return None


def reachable(path, tree):
    """The document and those beside it that it names, and so on."""
    seen, waiting = {os.path.normpath(path)}, [(path, tree)]
    while waiting:
        path, tree = waiting.pop()
        yield tree
        for element in tree.getroot().iter(WSDL + "import", XS + "import", XS + "include"):
            location = element.get("location") or element.get("schemaLocation") or ""
            other = os.path.normpath(os.path.join(os.path.dirname(path), location))
            if location and "://" not in location and other not in seen and os.path.isfile(other):
                seen.add(other)
                try:
                    waiting.append((other, etree.parse(other, quiet())))
                except etree.Error:
                    pass


def quiet():
    return etree.XMLParser(no_network=True, resolve_entities=False)


def confirm(path, reason):
    try:
        tree = etree.parse(path, quiet())
    except etree.Error as error:
        return "libxml2", str(error)
    # Looking is exact where it can tell; the others may stumble over something else.
    for name, oracle in (("lxml", by_looking), ("libxml2", by_libxml2), ("zeep", by_zeep), ("xmlschema", by_xmlschema)):
        words = oracle(path, tree, reason)
        if words:
            return name, words
    return "nobody", ""


def late(_signal, _frame):
    raise TimeoutError("it takes too long")


def main():
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, late)
    for line in sys.stdin:
        name, reason = line.rstrip("\n").split("\t", 1)
        signal.alarm(30)
        who, words = confirm(os.path.abspath(os.path.join(sys.argv[1], name)), reason)
        signal.alarm(0)
        print(name, who, " ".join(words.split())[:160], sep="\t", flush=True)


if __name__ == "__main__":
    main()
