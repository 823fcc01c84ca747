// An SMS centre by npm's smpp: prints a line of JSON for its port and for each thing it was asked.
// usage: node server.mjs FOLDER_WITH_NODE_MODULES; numbers ending in 0 are refused as bad, in 9 the queue is full once.
import { createRequire } from "node:module";

const smpp = createRequire(`${process.argv[2]}/`)("smpp");
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
let full = true;

const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("bind_transmitter", (pdu) => {
    const known = pdu.system_id === "nightsafe" && pdu.password === "secret";
    say({ bind: pdu.system_id, known });
    session.send(pdu.response({ command_status: known ? smpp.ESME_ROK : smpp.ESME_RINVPASWD }));
  });
  session.on("submit_sm", (pdu) => {
    const { message, udh } = pdu.short_message;
    let status = smpp.ESME_ROK;
    if (pdu.destination_addr.endsWith("0")) status = smpp.ESME_RINVDSTADR;
    if (pdu.destination_addr.endsWith("9") && full) {
      status = smpp.ESME_RMSGQFUL;
      full = false;
    }
    say({
      to: pdu.destination_addr, ton: pdu.dest_addr_ton, from: pdu.source_addr, coding: pdu.data_coding,
      text: message, udh: udh ? [...udh[0] ?? udh] : null, status,
    });
    session.send(pdu.response({ command_status: status, message_id: "1" }));
  });
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
  });
});
server.on("error", () => {});
server.listen(0, "127.0.0.1", () => say({ port: server.address().port }));
