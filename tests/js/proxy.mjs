/** A proxy before the server that can be cut, and that lets through what a test allows. */

import { createServer, request } from "node:http";
import { connect } from "node:net";

export class Proxy {
  /** What passes; `holdStreams` buffers streams, as a bad proxy does. */
  allow = { sockets: true, holdStreams: false };
  /** The method and address of each request, WebSockets as UPGRADE. */
  seen = [];
  /** How many requests are being answered, and WebSockets open. */
  underWay = 0;
  #connections = new Set();
  #server;
  #target;

  constructor(target) {
    this.#target = new URL(target);
    this.#server = createServer((incoming, outgoing) => this.#pass(incoming, outgoing));
    this.#server.on("upgrade", (incoming, socket, head) => this.#upgrade(incoming, socket, head));
    this.#server.on("connection", (socket) => {
      this.#connections.add(socket);
      socket.on("close", () => this.#connections.delete(socket));
      socket.on("error", () => {});
    });
  }

  async open() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${this.#server.address().port}/`;
    return this;
  }

  /** Cut all connections. */
  cut() {
    for (const socket of this.#connections) socket.destroy();
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  count(pattern) {
    return this.seen.filter((line) => pattern.test(line)).length;
  }

  #pass(incoming, outgoing) {
    this.seen.push(`${incoming.method} ${incoming.url}`);
    this.underWay += 1;
    outgoing.on("close", () => (this.underWay -= 1));
    const { hostname, port } = this.#target;
    const { method, url, headers } = incoming;
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      const isStream = answer.headers["content-type"]?.startsWith("text/event-stream");
      if (isStream && this.allow.holdStreams) return; // nothing passes before the end
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on("error", () => incoming.socket.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.pipe(onward);
  }

  #upgrade(incoming, socket, head) {
    this.seen.push(`UPGRADE ${incoming.url}`);
    if (!this.allow.sockets) {
      socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      return;
    }
    this.underWay += 1;
    socket.on("close", () => (this.underWay -= 1));
    const onward = connect(this.#target.port, this.#target.hostname, () => {
      const lines = [`GET ${incoming.url} HTTP/1.1`];
      for (let i = 0; i < incoming.rawHeaders.length; i += 2) {
        lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`);
      }
      onward.write(`${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    for (const [one, other] of [[socket, onward], [onward, socket]]) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  }
}
