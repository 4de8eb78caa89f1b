// What the browser test loads and calls: a page, JSON, server-sent events and a WebSocket, through
// whatever stands in front. argv[2]: the folder of the npm package `ws`. Prints `listening PORT`.
'use strict';
const http = require('node:http');
const { WebSocketServer } = require(process.argv[2]);

const page = `<!doctype html><title>waiting</title><pre id=result>waiting</pre>
<script>
// The image keeps the load event, and so the browser's dump, until /report has been called.
document.write('<img src="/hold?' + Math.random() + '">');
const within = (ms, promise, name) => Promise.race([promise, new Promise((_, no) => setTimeout(() => no(new Error(name + ' timed out')), ms))]);
async function calls() {
  const result = {};
  const got = await fetch('/json?from=browser', { headers: { 'x-page': 'yes' } });
  result.fetch = await got.json();
  const posted = await fetch('/echo', { method: 'POST', body: 'b'.repeat(100000) });
  result.posted = (await posted.text()).length;
  result.many = (await Promise.all([...Array(40).keys()].map((i) => fetch('/json?i=' + i).then((r) => r.status)))).every((s) => s === 200);
  result.events = await within(8000, new Promise((yes, no) => {
    const seen = [];
    const source = new EventSource('/events');
    source.onmessage = (event) => { seen.push(event.data); if (seen.length === 3) { source.close(); yes(seen); } };
    source.onerror = () => no(new Error('event source failed after ' + seen.length));
  }), 'events');
  result.socket = await within(8000, new Promise((yes, no) => {
    const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + '/socket');
    socket.binaryType = 'arraybuffer';
    const seen = [];
    socket.onopen = () => { socket.send('hello'); socket.send(new Uint8Array(70000)); };
    socket.onmessage = (event) => { seen.push(typeof event.data === 'string' ? event.data : event.data.byteLength); if (seen.length === 2) { socket.close(1000); } };
    socket.onclose = (event) => yes([...seen, event.code]);
    socket.onerror = () => no(new Error('socket failed'));
  }), 'socket');
  const entries = performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/json'));
  result.protocol = entries.length ? entries[0].nextHopProtocol : '';
  return result;
}
calls().then((r) => JSON.stringify(r), (error) => 'FAILED ' + error.message).then((text) => {
  document.getElementById('result').textContent = text;
  return fetch('/report', { method: 'POST', body: text });
});
</script>`;

let reported;
const report = new Promise((resolve) => { reported = resolve; });
const server = http.createServer((req, res) => {
  const path = req.url.split('?')[0];
  if (path === '/') { res.setHeader('Content-Type', 'text/html; charset=utf-8'); return res.end(page); }
  if (path === '/json') { res.setHeader('Content-Type', 'application/json'); return res.end(JSON.stringify({ url: req.url, page: req.headers['x-page'] || '' })); }
  if (path === '/echo') return req.pipe(res);
  if (path === '/events') {
    res.writeHead(200, { 'Content-Type': 'text/event-stream' });
    let count = 0;
    const timer = setInterval(() => res.write(`data: tick ${count++}\n\n`), 50);
    return res.on('close', () => clearInterval(timer));
  }
  if (path === '/hold') return Promise.race([report, new Promise((r) => setTimeout(r, 25000))]).then(() => { res.statusCode = 204; res.end(); });
  if (path === '/report') { req.resume(); res.end('thanks'); return reported(); }
  res.statusCode = 404;
  return res.end();
});
const sockets = new WebSocketServer({ server, path: '/socket' });
sockets.on('connection', (socket) => socket.on('message', (data, binary) => socket.send(data, { binary })));
server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
