"""libxml2 by lxml: parsed and validated. Usage: lxml_bench.py FOLDER SIZE MILLISECONDS"""

import json
import sys
from pathlib import Path

from lxml import etree
from timing import measure

folder, size, milliseconds = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])
schema = etree.XMLSchema(file=str(folder / "orders.xsd"))
body = (folder / f"{size}.body.xml").read_bytes()
assert schema.validate(etree.fromstring(body)), schema.error_log
assert not schema.validate(etree.fromstring(body.replace(b"<o:total>", b"<o:total>x"))), "it does not look"
print(json.dumps({"validate": measure(lambda: schema.validate(etree.fromstring(body)), milliseconds)}))
