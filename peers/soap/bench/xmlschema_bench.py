"""PyPI's xmlschema: validated; and XML → dict → JSON. Usage: xmlschema_bench.py FOLDER SIZE MILLISECONDS"""

import json
import sys
from pathlib import Path

import xmlschema
from lxml import etree
from timing import measure

folder, size, milliseconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
schema = xmlschema.XMLSchema(str(folder / "orders.xsd"))
body = (folder / f"{size}.body.xml").read_bytes()


def xml_to_json():
    return json.dumps(schema.to_dict(etree.fromstring(body)), default=str)


assert schema.is_valid(etree.fromstring(body))
print(json.dumps({
    "validate": measure(lambda: schema.is_valid(etree.fromstring(body)), milliseconds),
    "xml_to_json": measure(xml_to_json, milliseconds),
}))
