// What machine this is. A function under a watchdog is any program: this one reads nothing and writes JSON.
const os = require("node:os");

console.log(JSON.stringify({
  hostname: os.hostname(),
  platform: os.platform(),
  arch: os.arch(),
  cpus: os.cpus().length,
  memoryBytes: os.totalmem(),
  uptimeSeconds: Math.floor(os.uptime()),
  caller: process.env.Http_X_Forwarded_For ?? null,
}));
