// npm `strong-soap`: xmlToJson with JSON.stringify, JSON.parse with jsonToXml.
// Usage: strong_bench.js FOLDER SIZE MILLISECONDS

const fs = require('fs');
const path = require('path');

const { soap } = require(path.join(__dirname, '../../../.peers/node/node_modules/strong-soap'));

const [folder, size, milliseconds] = process.argv.slice(2);
const envelope = fs.readFileSync(path.join(folder, `${size}.response.xml`), 'utf8');

function measure(work) {
  const run = (budget) => {
    const begin = process.cpuUsage();
    const spent = () => {
      const now = process.cpuUsage(begin);
      return now.user + now.system;
    };
    let times = 0;
    while (spent() < budget * 1000) {
      for (let n = 0; n < 5; n++) work();
      times += 5;
    }
    return spent() / times;
  };
  // The compiler needs longer than a quarter to have done its work.
  run(Math.max(milliseconds, 800));
  return run(milliseconds);
}

soap.WSDL.open(path.join(folder, 'orders.wsdl'), {}, (problem, wsdl) => {
  if (problem) throw problem;
  const handler = new soap.XMLHandler(wsdl.schemas, {});
  const { operations } = wsdl.definitions.bindings.OrdersSoap11;
  const response = operations.GetOrder.describe(wsdl.definitions).outputEnvelope;
  const request = operations.PlaceOrder.describe(wsdl.definitions).inputEnvelope;
  const toJson = () => JSON.stringify(handler.xmlToJson(null, envelope, response).Body.GetOrderResponse);
  const text = toJson();
  const toXml = () => {
    const message = { Body: { PlaceOrder: JSON.parse(text) } };
    return handler.jsonToXml(null, null, request, message).end({ pretty: false });
  };
  const items = (xml) => xml.split('sku>').length;
  if (items(toXml()) !== items(envelope)) throw new Error(`lost on the way: ${toXml().slice(0, 500)}`);
  console.log(JSON.stringify({ xml_to_json: measure(toJson), json_to_xml: measure(toXml) }));
});
