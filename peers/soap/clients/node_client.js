// npm `soap` as a SOAP client. Usage: node_client.js 11|12 KEY|- {SERVICE WSDL ENDPOINT|-}…
// Prints one JSON line a call: {"call": …, "answer": …} or {"call": …, "error": …}. Exit code 1: a call failed.

const path = require('path');

const modules = path.join(__dirname, '../../../.peers/node/node_modules');
const soap = require(path.join(modules, 'soap'));

const ORDERS = 'urn:pasarela:peers:orders';
const TYPES = 'urn:pasarela:peers:orders:types';

/** What node-soap understood, as the lexical form of each value; what is absent is left out. */
function plain(value, name) {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return name === 'due' ? value.toISOString().slice(0, 10) : value.toISOString();
  if (Array.isArray(value)) return value.map((item) => plain(item, name));
  if (typeof value !== 'object') return String(value);
  const found = {};
  for (const [key, item] of Object.entries(value)) {
    if (key === 'attributes') {
      for (const [attribute, text] of Object.entries(item)) {
        if (attribute === 'xsi:type') {
          // A type of the encoding is no news; a derived one is.
          if (text.endsWith(':ExpressParcel')) found.$type = 'ExpressParcel';
        }
        else if (attribute === 'xsi:nil') return null;
        else if (!attribute.startsWith('xmlns')) found[`@${attribute}`] = text;
      }
    } else found[key] = plain(item, key);
  }
  return Object.keys(found).join() === '$value' ? found.$value : found;
}

const list = (value) => (value === undefined || value === null ? [] : plain([value].flat()));

let failed = false;

async function call(name, work) {
  let said;
  try {
    said = { call: name, answer: await work() };
  } catch (problem) {
    said = { call: name, error: String(problem.message || problem).slice(0, 300) };
    failed = true;
  }
  console.log(JSON.stringify(said));
}

const callers = {
  async orders(client) {
    const get = async (id) => {
      client.clearSoapHeaders();
      client.addSoapHeader({ Session: { token: 'T-1' } }, '', undefined, ORDERS);
      const [result, , headers] = await client.GetOrderAsync({ id });
      client.clearSoapHeaders();
      return [plain(result.order), headers];
    };
    await call('orders.rich', async () => {
      const [answer, headers] = await get('9007199254740993');
      return { ...answer, $headers: plain(headers) };
    });
    await call('orders.sparse', async () => (await get(7))[0]);
    await call('orders.midnight', async () => (await get(24))[0]);
    await call('orders.fault', async () => {
      try {
        await get(404);
      } catch (problem) {
        const fault = problem.root.Envelope.Body.Fault;
        const code = (fault.faultcode || fault.Code.Value).split(':').pop();
        return { fault: code === 'Sender' ? 'Client' : code, detail: plain(fault.detail || fault.Detail) };
      }
      throw new Error('no fault came');
    });
    await call('orders.place', async () => {
      const parcel = { attributes: { xsi_type: { type: 'ExpressParcel', xmlns: TYPES, prefix: 'x' } }, weight: '1.50', courier: 'Correos' };
      const [result] = await client.PlaceOrderAsync({
        order: {
          attributes: { priority: 'high', reference: 'R-7' },
          id: '9007199254740993', customer: 'Ñandú & <Söhne>', placed: '2026-02-28T23:30:00+01:00', due: '2026-03-01',
          total: '10.10', discount: null, status: 'in-transit', note: ' two  spaces ',
          item: [
            { attributes: { line: '1' }, sku: 'A-1', quantity: 1, price: '10.10' },
            { attributes: { line: '2' }, sku: 'B-2', quantity: 2, price: '0.10' },
          ],
          tag: ['one', 'two'], payment: { card: '4111' }, parcel, document: 'AAECA/8=',
        },
      });
      return plain(result.order);
    });
    for (const limit of [0, 1, 3]) {
      await call(`orders.find${limit}`, async () => {
        const [result] = await client.FindOrdersAsync({ limit });
        return list(result.orders && result.orders.Summary);
      });
    }
    await call('orders.notify', async () => {
      await client.NotifyAsync({ id: 7, status: 'paid' });
      return null;
    });
  },

  async bare(client) {
    await call('bare.convert', async () => {
      const [result] = await client.ConvertAsync({ attributes: { currency: 'EUR' }, $value: '10.10' });
      return plain(result);
    });
    for (const value of [[], ['9007199254740993'], ['9223372036854775807', '9223372036854775807']]) {
      await call(`bare.add${value.length}`, async () => plain((await client.AddUpAsync({ value }))[0]));
    }
  },

  async rpc(client) {
    await call('rpc.quote', async () => plain((await client.QuoteAsync({ sku: 'A-1', quantity: 3 }))[0]));
  },

  async encoded(client) {
    await call('encoded.add', async () => plain((await client.AddAsync({ a: 2, b: 3 }))[0].sum));
    await call('encoded.reserve', async () => {
      const [result] = await client.ReserveAsync({ line: { sku: 'A-1', quantity: 2, price: '10.10' } });
      return plain(result.line);
    });
    for (const count of [0, 1, 2]) {
      await call(`encoded.list${count}`, async () => {
        const [{ lines }] = await client.ListAsync({ count });
        return list(lines && (lines.item || lines.Line));
      });
    }
  },
};

(async () => {
  const [version, key, ...rest] = process.argv.slice(2);
  const headers = key === '-' ? {} : { 'X-API-Key': key };
  while (rest.length) {
    const [name, wsdl, endpoint] = rest.splice(0, 3);
    const options = { wsdl_headers: headers, forceSoap12Headers: version === '12', preserveWhitespace: true };
    if (endpoint !== '-') options.endpoint = endpoint;
    const client = await soap.createClientAsync(wsdl, options);
    for (const [header, value] of Object.entries(headers)) client.addHttpHeader(header, value);
    await callers[name](client);
  }
  process.exitCode = failed ? 1 : 0;
})();
