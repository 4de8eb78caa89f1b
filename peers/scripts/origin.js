// An HTTP/1.1 server on Node's `http`: tells what it saw, and answers in the shapes the tests ask for.
// Prints `listening PORT`, then one line a request: `CLIENT-PORT METHOD TARGET`.
'use strict';
const http = require('node:http');
const { createHash } = require('node:crypto');
const { posix } = require('node:path');

const bodies = new Map();
function body(size) {
  if (!bodies.has(size)) bodies.set(size, Buffer.alloc(size, 'abcdefghij'));
  return bodies.get(size);
}

function answer(req, res) {
  console.log(`${req.socket.remotePort} ${req.method} ${req.url}`);
  res.setHeader('X-Zoo', 'node');
  if (meansSecret(req.url)) { req.resume(); return res.end('the-secret-of-the-zoo'); }
  const [, what, argument] = req.url.split('?')[0].split('/');
  const number = Number.parseInt(argument, 10) || 0;
  switch (what) {
    case 'status':
      req.resume();
      res.writeHead(number, number >= 300 && number < 400 && number !== 304 ? { Location: '/elsewhere?a=b' } : {});
      return res.end([204, 205, 304].includes(number) ? undefined : `status ${number}\n`);
    case 'big':
      req.resume();
      res.writeHead(200, { 'Content-Length': number, 'Content-Type': 'application/octet-stream' });
      return res.end(body(number));
    case 'chunked':
      req.resume();
      res.writeHead(200, { 'Content-Type': 'text/plain' });
      for (let i = 0; i < number; i++) res.write(`chunk ${i}\n`);
      return res.end();
    case 'close':
      req.resume();
      res.useChunkedEncodingByDefault = false;
      res.writeHead(200, { 'Content-Type': 'text/plain', Connection: 'close' });
      res.write('until the connection ');
      return setTimeout(() => res.end('ends\n'), 5);
    case 'trailers':
      req.resume();
      if (req.method === 'HEAD' || req.httpVersion === '1.0') return res.end('no room for a trailer\n');
      res.writeHead(200, { 'Content-Type': 'text/plain', Trailer: 'X-Sum' });
      res.write('with a trailer\n');
      res.addTrailers({ 'X-Sum': '42' });
      return res.end();
    case 'hints':
      req.resume();
      for (let i = 0; i < (number || 1); i++) res.writeEarlyHints({ link: `</style${i}.css>; rel=preload` });
      return res.end('after a hint\n');
    case 'headers':
      req.resume();
      res.writeHead(200, [
        ['Set-Cookie', 'a=1; Path=/'], ['Set-Cookie', 'b=2, with a comma'], ['X-Empty', ''],
        ['X-Latin', 'caf\u00e9'], ['X-Long', 'l'.repeat(7000)], ['x-LOWER-upper', 'Mixed'],
        ['X-Quoted', '"a, b"; c="d"'], ['Vary', 'Accept'], ['Vary', 'Origin'], ['ETag', 'W/"1"'],
        ['Cache-Control', 'max-age=0, private'], ['Content-Type', 'text/plain; charset=utf-8'],
      ].flat());
      return res.end('headers\n');
    case 'sse': {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      let count = 0;
      const timer = setInterval(() => {
        res.write(`id: ${count}\ndata: event ${count}\n\n`);
        if (++count === 3) { clearInterval(timer); res.end(); }
      }, 20);
      return undefined;
    }
    default:
      return echo(req, res);
  }
}

// As lenient as a careless application: cuts the absolute form, decodes once, takes backslashes for slashes
// and removes dot segments.
function meansSecret(url) {
  try {
    const path = decodeURIComponent(url.replace(/^[a-z]+:\/\/[^/]*/i, '').split('?')[0]);
    return posix.normalize(path.replaceAll('\\', '/')) === '/admin/secret.txt';
  } catch { return false; }
}

function echo(req, res) {
  const hash = createHash('sha256');
  let length = 0;
  req.on('data', (part) => { hash.update(part); length += part.length; });
  req.on('end', () => {
    const headers = [];
    for (let i = 0; i < req.rawHeaders.length; i += 2) headers.push([req.rawHeaders[i].toLowerCase(), req.rawHeaders[i + 1]]);
    const seen = { method: req.method, target: req.url, version: req.httpVersion, headers, length, sha256: hash.digest('hex'), trailers: req.trailers };
    const text = Buffer.from(JSON.stringify(seen), 'latin1');
    res.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length });
    res.end(text);
  });
  req.on('error', () => {});
}

const server = http.createServer({ keepAliveTimeout: 30000, maxHeaderSize: 65536 }, answer);
server.on('checkContinue', (req, res) => { res.writeContinue(); answer(req, res); });
server.on('clientError', (error, socket) => { socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'); });
server.listen(Number(process.argv[2] || 0), '127.0.0.1', () => console.log(`listening ${server.address().port}`));
