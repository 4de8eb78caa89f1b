// npm `soap`: xmlToObject with JSON.stringify, JSON.parse with objectToDocumentXML.
// Usage: node_bench.js FOLDER SIZE MILLISECONDS

const fs = require('fs');
const path = require('path');

const soap = require(path.join(__dirname, '../../../.peers/node/node_modules/soap'));

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

soap.createClient(path.join(folder, 'orders.wsdl'), (problem, client) => {
  if (problem) throw problem;
  const { wsdl } = client;
  const toJson = () => JSON.stringify(wsdl.xmlToObject(envelope).Body.GetOrderResponse);
  const text = toJson();
  const { input } = wsdl.definitions.services.OrderService.ports.Orders11.binding.methods.PlaceOrder;
  const toXml = () => {
    const body = wsdl.objectToDocumentXML(input.$name, JSON.parse(text), input.targetNSAlias, input.targetNamespace, input.$type || input.$lookupType);
    return `<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/" ${wsdl.xmlnsInEnvelope}><soap:Body>${body}</soap:Body></soap:Envelope>`;
  };
  const items = (xml) => xml.split('sku>').length;
  if (items(toXml()) !== items(envelope)) throw new Error(`lost on the way: ${toXml().slice(0, 500)}`);
  console.log(JSON.stringify({ xml_to_json: measure(toJson), json_to_xml: measure(toXml) }));
});
