// Runs Express Gateway, which is installed in the current directory, as several processes: it has no such setting itself.
//   node express_gateway.js CONFIGURATION WORKERS
'use strict';
const cluster = require('cluster');
const path = require('path');
const [, , configuration, workers] = process.argv;

if (cluster.isMaster) {
  for (let i = 0; i < Number(workers); i++) cluster.fork();
  cluster.on('listening', (worker, address) => console.log('listening', worker.id, address.port));
  cluster.on('exit', () => process.exit(1));
} else {
  process.env.EG_CONFIG_DIR = configuration;
  require(path.resolve('node_modules/express-gateway'))().load(configuration).run();
}
