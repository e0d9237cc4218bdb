// SPDX-License-Identifier: MIT

// What it costs a cluster to serve, as cluster.lua.

const child = require("child_process");
const cluster = require("cluster");
const net = require("net");

const WORKERS = 2, WARM = 0.7; // s; it compiles meanwhile
const LOADS = {
  echo: "-c64 -s64 echo", connect: "-c32 -s1 connect", primary: "-c32 -s1 connect",
};

function echo(socket) {
  socket.on("error", () => {});
  socket.on("data", (chunk) => socket.write(chunk));
}

function serve(what, port, reusePort, onListening) {
  const server = net.createServer({ noDelay: what === "echo" }, echo);
  server.listen({ port, host: "127.0.0.1", reusePort }, () => onListening(server.address().port));
  return server;
}

function endWorkers(done) { // they are waited for, as in cluster.lua
  const workers = Object.values(cluster.workers);
  let left = workers.length;
  cluster.on("exit", () => { if (--left === 0) done(); });
  for (const worker of workers)
    worker.process.kill();
  if (left === 0)
    done();
}

function drive(what, seconds, port, pids) {
  const binary = (process.env.BENCH_OUT || "build/bench") + "/load";
  const args = [`-w${WARM}`, `-t${seconds}`, ...pids.map((pid) => `-p${pid}`),
    ...LOADS[what].split(" "), String(port)];
  const load = child.spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  load.stdout.on("data", (chunk) => { text += chunk; });
  load.on("close", (code) => {
    if (code !== 0)
      process.exit(1);
    const f = JSON.parse(text);
    console.log((f.server_cpu / f.done).toFixed(1), Math.round(f.done / f.seconds),
      (f.load_cpu / f.seconds / 1e9).toFixed(2));
    endWorkers(() => process.exit(0));
  });
}

function runCluster(mode, what, seconds, port) {
  cluster.schedulingPolicy = mode === "none" ? cluster.SCHED_NONE : cluster.SCHED_RR;
  cluster.setupPrimary({ args: [mode, what, String(port)] });
  const pids = [process.pid];
  let left = WORKERS;
  cluster.on("message", (worker, message) => { // "listening" is not told of reusePort
    if (what !== "primary")
      pids.push(worker.process.pid);
    if (--left === 0)
      drive(what, seconds, message.port, pids);
  });
  for (let i = 0; i < WORKERS; i++)
    cluster.fork();
}

const [mode, what, seconds] = process.argv.slice(2);
if (cluster.isWorker) {
  serve(what, Number(process.argv[4]), mode === "reuseport", (port) => process.send({ port }));
} else if (mode === "one") {
  serve(what, 0, false, (port) => drive(what, seconds, port, [process.pid]));
} else if (mode === "reuseport") {
  const server = serve(what, 0, false, (port) => {
    server.close(() => runCluster(mode, what, seconds, port));
  });
} else {
  runCluster(mode, what, seconds, 0);
}
