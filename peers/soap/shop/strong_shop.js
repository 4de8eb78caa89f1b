// strong-soap calls the shop, a REST service behind its SOAP face. Usage: node strong_shop.js WSDL [12]
// Prints one JSON line a call: what it understood of the answer, as texts.
'use strict';

const path = require('path');
const { promisify } = require('util');
const { soap } = require(path.join(process.env.MODULES, 'strong-soap'));

const NS = 'urn:pasarela:rest:shop-of-everything:v2';

async function main() {
  const client = await promisify(soap.createClient)(process.argv[2], { forceSoapVersion: process.argv[3] === '12' ? '1.2' : '1.1' });
  const call = (name, args) => new Promise((resolve, reject) => {
    client[name](args, (error, result) => (error ? reject(error) : resolve(result)));
  });
  const tell = async (name, act) => {
    let line;
    try {
      line = { call: name, answer: await act() };
    } catch (error) {
      line = { call: name, error: String(error.message).slice(0, 200) };
    }
    process.stdout.write(`${JSON.stringify(line)}\n`);
  };
  const list = (value) => (Array.isArray(value) ? value : [value]);
  const day = (value) => (value instanceof Date ? value.toISOString().slice(0, 10) : String(value));
  const moment = (value) => (value instanceof Date ? value.toISOString().replace('.000', '') : String(value));
  await tell('scalars', async () => {
    const found = (await call('echo', { body: {
      text: 'ñ <&> "x"', flag: true, small: -5, large: '9007199254740993', exact: '10.10', double: 2.5, day: '2026-02-28',
      moment: '2026-02-28T23:30:00Z', bytes: Buffer.from([0, 1, 255]).toString('base64'),
    } })).body;
    return [found.text, found.flag, String(found.small), String(found.large), String(found.exact), String(found.double),
      day(found.day), moment(found.moment), Buffer.from(found.bytes, 'base64').toString('hex')];
  });
  await tell('objects', async () => {
    const found = (await call('putOrder', { id: 7, body: {
      id: 7, total: '3.50', lines: [{ $attributes: { sku: 'A' }, count: 1 }, { $attributes: { sku: 'B' }, count: 2 }],
      customer: { name: 'Ana', address: { city: 'Soria' } },
    } })).body;
    return [String(found.lines.length), found.lines[1].$attributes.sku, String(found.lines[1].count), found.customer.address.city];
  });
  await tell('arrays', async () => {
    const grid = (await call('echo', { body: { grid: [{ item: ['1', '2.5'] }, { item: ['3'] }] } })).body.grid;
    return grid.map((row) => String(list(row.item).length));
  });
  await tell('lists', async () => {
    const found = list((await call('listOrders', { limit: 1 })).body);
    return [String(found.length), String(found[0].total)];
  });
  await tell('polymorphism', async () => {
    const found = (await call('addPet', { body: {
      $attributes: { $xsiType: { type: 'Dog', xmlns: NS } }, name: 'Rex', packSize: 3,
    } })).body;
    const type = found.$attributes.$xsiType || found.$attributes['xsi:type'];
    return [type.type || String(type).split(':').pop(), found.name, String(found.packSize)];
  });
  await tell('nulls', async () => {
    const found = (await call('echo', { body: { small: 1, maybe: null } })).body;
    return ['maybe' in found && (found.maybe === null || found.maybe.$attributes) ? 'None' : 'something'];
  });
  await tell('choice', async () => [(await call('echo', { body: { either: { Address: { city: 'Soria' } } } })).body.either.Address.city]);
  await tell('maps', async () => {
    const map = { entry: [{ $attributes: { key: 'a b' }, value: 1 }, { $attributes: { key: 'ñ' }, value: 2 }] };
    const found = (await call('echo', { body: { map } })).body.map.entry;
    return found.map((entry) => `${entry.$attributes.key}=${entry.value}`);
  });
  await tell('free', async () => [(await call('echo', { body: { anything: '{"a":[1,null]}' } })).body.anything]);
  await tell('parameters', async () => {
    const found = await call('getOrder', { id: 7, expand: ['a&b', 'c'], 'X-Tenant': 'acme' });
    return [String(found['X-Version']), String(found.body.total)];
  });
  await tell('files', async () => [
    Buffer.from((await call('getFile', { name: 'a b.bin' })).body, 'base64').toString('hex'),
    (await call('putFile', { name: 'x', body: Buffer.from([0, 255, 10]).toString('base64') })).body,
  ]);
  const thrown = async (act) => {
    try {
      await act();
      return ['nothing'];
    } catch (error) {
      const fault = (error.root || {}).Envelope.Body.Fault;
      const detail = fault.detail || fault.Detail;
      const first = Object.keys(detail).find((key) => !key.startsWith('$'));
      const value = Object.entries(detail[first]).filter(([key, entry]) => !key.startsWith('$') && typeof entry !== 'object')[0][1];
      return [first.split(':').pop(), String(value)];
    }
  };
  await tell('fault', () => thrown(() => call('getOrder', { id: 404 })));
  await tell('undescribed', () => thrown(() => call('deleteOrder', { id: 500 })));
}

main();
