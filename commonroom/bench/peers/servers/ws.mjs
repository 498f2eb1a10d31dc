// Broadcast on npm's `ws`: its README's loop over the clients, one set of them a room.

import { WebSocket, WebSocketServer } from "ws";

const port = Number(process.env.PORT);
const rooms = new Map();

function join(name, socket) {
  const members = rooms.get(name) ?? new Set();
  rooms.set(name, members.add(socket));
  socket.on("close", () => {
    members.delete(socket);
    if (members.size === 0 && rooms.get(name) === members) rooms.delete(name);
  });
  return members;
}

const server = new WebSocketServer({ host: "127.0.0.1", port, perMessageDeflate: false });

server.on("connection", (socket, request) => {
  const room = new URL(request.url, "ws://localhost").searchParams.get("room") ?? "";
  const members = join(room, socket);
  socket.on("error", () => socket.terminate());
  socket.on("message", (data, isBinary) => {
    for (const member of members) {
      if (member.readyState === WebSocket.OPEN) member.send(data, { binary: isBinary });
    }
  });
});

server.on("listening", () => process.stdout.write("ready\n"));
