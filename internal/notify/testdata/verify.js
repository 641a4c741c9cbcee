// Verifies a message of Offprint's with the library for Node of Standard
// Webhooks, by each of two secrets, and not by a stranger's.
const { Webhook } = require(process.argv[2]);
const { body, headers, secrets, stranger } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const said = secrets.map((secret) => new Webhook("whsec_" + secret).verify(body, headers).data.id);
try {
  new Webhook("whsec_" + stranger).verify(body, headers);
} catch {
  said.push("refused");
}
console.log(said.join(" "));
