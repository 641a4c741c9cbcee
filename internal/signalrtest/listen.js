// Listens to a hub as somebody's program does, and says on standard output what
// it hears, a line of JSON each. What it should call comes on standard input;
// it ends with that.
const { HubConnectionBuilder, HttpTransportType, LogLevel } = require("@microsoft/signalr");
const ask = JSON.parse(process.argv[1]);
const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");

const clients = Array.from({ length: ask.clients }, (_, client) => {
  const options = { transport: HttpTransportType[ask.transport], skipNegotiation: ask.skip };
  if (ask.tokens) options.accessTokenFactory = () => ask.tokens[client % ask.tokens.length];
  const c = new HubConnectionBuilder().withUrl(ask.url, options).configureLogging(LogLevel.None)
    .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => ask.again || null }).build();
  c.on("RunChanged", (run) => say({ client, event: "run", run }));
  c.onreconnecting((e) => say({ client, event: "reconnecting", error: e && e.message }));
  c.onreconnected(() => say({ client, event: "connected" }));
  c.onclose((e) => say({ client, event: "closed", error: e && e.message }));
  c.start().then(() => say({ client, event: "connected" }), (e) => say({ client, event: "refused", error: e.message }));
  return c;
});

require("readline").createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { client, number, method, args } = JSON.parse(line);
    if (method === "stop") {
      clients[client].stop();
      return;
    }
    clients[client].invoke(method, ...args).then(
      (result) => say({ client, event: "answer", number, result }),
      (e) => say({ client, event: "answer", number, error: e.message }));
  })
  .on("close", () => process.exit());
