// A WebSocket echo server on the npm package `ws` (argv[2]: its folder). Prints `listening PORT`.
'use strict';
const { WebSocketServer } = require(process.argv[2]);

const server = new WebSocketServer({
  host: '127.0.0.1', port: 0, maxPayload: 64 << 20,
  perMessageDeflate: { serverNoContextTakeover: false, clientNoContextTakeover: false, threshold: 0 },
});
server.on('listening', () => console.log(`listening ${server.address().port}`));
server.on('connection', (socket) => {
  socket.on('error', () => {});
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
});
