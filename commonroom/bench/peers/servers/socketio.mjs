// Broadcast on Socket.IO for Node: WebSocket only, one of its rooms for each room, event `m`.

import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });

io.on("connection", (socket) => {
  const room = String(socket.handshake.query.room ?? "");
  socket.join(room);
  socket.on("m", (payload) => io.to(room).emit("m", payload));
});

http.listen(Number(process.env.PORT), "127.0.0.1", () => process.stdout.write("ready\n"));
