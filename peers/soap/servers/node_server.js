// npm `soap` as a SOAP 1.1 service: orders, bare, rpc. Usage: node_server.js PORT
// Prints `listening PORT`, then `notified ID STATUS` for each one-way message.

const fs = require('fs');
const http = require('http');
const path = require('path');

const modules = path.join(__dirname, '../../../.peers/node/node_modules');
const soap = require(path.join(modules, 'soap'));

const TYPES = 'urn:pasarela:peers:orders:types';

const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

/** node-soap's server looks at no schema when it writes: prefixes are the author's work. */
function typed(value) {
  if (Array.isArray(value)) return value.map(typed);
  if (value === null) return { attributes: { 'xsi:nil': 'true', 'xmlns:xsi': XSI } };
  if (typeof value !== 'object') return value;
  const found = { attributes: { ...value.attributes, 'xmlns:o': TYPES } };
  for (const [name, item] of Object.entries(value)) {
    if (name !== 'attributes') found[`o:${name}`] = typed(item);
  }
  return found;
}

function sparse(id) {
  const placed = { 7: '2026-11-23T10:00:00.5Z', 24: '2026-02-28T24:00:00' }[id];
  return {
    attributes: { priority: 'normal' },
    id, customer: '', placed, total: '0.00', discount: '-0.50', status: 'new',
    payment: { card: '4111' }, parcel: { weight: '0.1' },
  };
}

function rich() {
  return {
    attributes: { priority: 'high', reference: 'R-7' },
    id: '9007199254740993', customer: 'Ñandú & <Söhne>', placed: '2026-02-28T23:30:00+01:00', due: '2026-03-01',
    total: '10.10', discount: null, status: 'in-transit', note: ' two  spaces ',
    item: [{ attributes: { line: '1' }, sku: 'A-1', quantity: 1, price: '10.10' }], tag: ['one'],
    payment: { transfer: 'ES91 2100' }, parcel: express('1.50', 'Correos'), document: 'AAECA/8=',
  };
}

function express(weight, courier) {
  return { attributes: { 'xsi:type': 'o:ExpressParcel', 'xmlns:xsi': XSI }, weight, courier };
}

function getOrder({ id }) {
  if (id == 7 || id == 24) return { order: typed(sparse(id)) };
  if (id == 404) {
    const attributes = { 'xmlns:f': 'urn:pasarela:peers:orders' };
    const detail = { 'f:OrderNotFound': { attributes, 'f:id': id, 'f:reason': 'no such order' } };
    throw { Fault: { faultcode: 'soap:Client', faultstring: 'no such order', detail } };
  }
  return { order: typed(rich()) };
}

const order = (found) => ({
  ...found,
  parcel: 'courier' in found.parcel ? express(found.parcel.weight, found.parcel.courier) : found.parcel,
  placed: found.placed instanceof Date ? found.placed.toISOString() : found.placed,
  due: found.due instanceof Date ? found.due.toISOString().slice(0, 10) : found.due,
});

const services = {
  orders: {
    OrderService: {
      Orders11: {
        GetOrder: getOrder,
        PlaceOrder: (message) => ({ order: typed(order(message.order)) }),
        FindOrders: ({ limit }) => ({
          orders: typed({
            Summary: Array.from({ length: limit }, (_, n) => ({
              id: (9007199254740993n + BigInt(n)).toString(), total: `${n + 1}0.${n + 1}0`,
            })),
          }),
        }),
        Notify: ({ id, status }) => console.log(`notified ${id} ${status}`),
      },
    },
  },
  bare: {
    MoneyService: {
      Money11: {
        Convert: (amount) => ({ attributes: { currency: 'USD' }, $value: amount.$value ?? amount }),
        AddUp: (numbers) => {
          const values = [numbers?.value ?? []].flat().map(BigInt);
          return { count: values.length, sum: values.reduce((a, b) => a + b, 0n).toString() };
        },
      },
    },
  },
  rpc: {
    PriceService: {
      Prices11: {
        Quote: ({ quantity }) => {
          const cents = 1010 * (quantity.$value ?? quantity);
          const total = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, '0')}`;
          return { price: { unit: '10.10', total, bulk: false }, stock: '9007199254740993' };
        },
      },
    },
  },
};

const server = http.createServer((request, response) => {
  response.statusCode = 404;
  response.end();
});
server.listen(Number(process.argv[2]), '127.0.0.1', () => {
  for (const [name, service] of Object.entries(services)) {
    const xml = fs.readFileSync(path.join(__dirname, `../wsdl/${name}.wsdl`), 'utf8');
    // `emptyBody` does the opposite of what it says.
    const oneWay = { responseCode: 202, emptyBody: false };
    const served = soap.listen(server, { path: `/${name}`, services: service, xml, oneWay, preserveWhitespace: true });
    if (name === 'orders') {
      served.addSoapHeader((method, args, headers) => {
        const token = headers && headers.Session && headers.Session.token;
        const receipt = { 'r:Receipt': { attributes: { 'xmlns:r': 'urn:pasarela:peers:orders' }, 'r:token': token } };
        return token && method === 'GetOrder' ? receipt : '';
      });
    }
  }
  console.log(`listening ${server.address().port}`);
});
