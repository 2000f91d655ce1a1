/** The part of WebSocket that progrock.js uses, for Nodes without one (before 20.10). RFC 6455. */

import { randomBytes } from "node:crypto";
import { request } from "node:http";

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export class NodeWebSocket {
  #socket = null;
  #bytes = Buffer.alloc(0);
  #isOver = false;
  #close = { code: 1006, reason: "" };

  constructor(url, protocols) {
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": randomBytes(16).toString("base64"),
      "Sec-WebSocket-Protocol": protocols.join(", "),
    };
    const asked = request(String(url).replace("ws", "http"), { headers });
    asked.on("upgrade", (answer, socket, head) => {
      this.#socket = socket;
      socket.on("data", (bytes) => this.#take(bytes));
      socket.on("close", () => this.#end());
      socket.on("error", () => {});
      if (this.#isOver) socket.destroy();
      else this.#take(head);
    });
    asked.on("response", (answer) => answer.destroy());
    asked.on("error", () => {});
    asked.on("close", () => this.#socket ?? this.#end());
    asked.end();
  }

  send(text) {
    this.#write(TEXT, Buffer.from(text));
  }

  close() {
    this.#write(CLOSE, Buffer.from([3, 232]));
    this.#socket?.end();
    this.#isOver = true;
  }

  #end() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.onclose(this.#close);
  }

  #write(code, body) {
    const mask = randomBytes(4);
    const length = body.length < 126 ? [128 | body.length] : [254, body.length >> 8, body.length & 255];
    const masked = body.map((byte, at) => byte ^ mask[at % 4]);
    this.#socket?.write(Buffer.concat([Buffer.from([128 | code, ...length]), mask, masked]));
  }

  /** Take what came; the server masks nothing and sends each message in one frame. */
  #take(bytes) {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    for (;;) {
      const [first, second] = this.#bytes;
      const [at, wide] = { 126: [4, 2], 127: [10, 8] }[second] ?? [2, 0];
      if (second === undefined || this.#bytes.length < at) return;
      const size = wide === 0 ? second : this.#bytes.readUIntBE(at - Math.min(wide, 6), Math.min(wide, 6));
      if (this.#bytes.length < at + size) return;
      const body = this.#bytes.subarray(at, at + size);
      this.#bytes = this.#bytes.subarray(at + size);
      const code = first & 15;
      if (code === TEXT && !this.#isOver) this.onmessage({ data: body.toString() });
      if (code === PING) this.#write(PONG, body);
      if (code === CLOSE) {
        this.#close = { code: size ? body.readUInt16BE() : 1005, reason: body.subarray(2).toString() };
        this.#socket.end();
      }
    }
  }
}
