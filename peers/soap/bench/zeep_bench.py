"""zeep with json: XML → object → JSON, and JSON → object → XML. Usage: zeep_bench.py FOLDER SIZE MILLISECONDS"""

import json
import sys
from pathlib import Path

from lxml import etree
from timing import measure
from zeep import Client
from zeep.helpers import serialize_object
from zeep.loader import parse_xml

folder, size, milliseconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
client = Client(str(folder / "orders.wsdl"))
service = client.create_service("{urn:pasarela:peers:orders}OrdersSoap11", "http://127.0.0.1:1/")
answer = client.get_element("{urn:pasarela:peers:orders}GetOrderResponse")
envelope = (folder / f"{size}.response.xml").read_bytes()
BODY = "{http://schemas.xmlsoap.org/soap/envelope/}Body"


def xml_to_json():
    body = parse_xml(envelope, client.transport).find(BODY)
    return json.dumps(serialize_object(answer.parse(body[0], client.wsdl.types)), default=str)


text = xml_to_json()


def json_to_xml():
    return etree.tostring(client.create_message(service, "PlaceOrder", **json.loads(text)))


def same_order():
    """Nothing was lost on the way there and back but what zeep is known to write otherwise."""
    order = etree.fromstring(json_to_xml()).find(f"{BODY}/*/*")
    wanted = parse_xml(envelope, client.transport).find(f"{BODY}/*/*")
    assert len(order) == len(wanted), (len(order), len(wanted))


same_order()
print(json.dumps({"xml_to_json": measure(xml_to_json, milliseconds), "json_to_xml": measure(json_to_xml, milliseconds)}))
