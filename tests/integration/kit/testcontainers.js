// What kit/testcontainers.py drives: reads a command a line, as JSON, does it through the npm package of that
// name, and answers with a line. Commands that are under way do not delay others: each answer has its number.
const { GenericContainer, Network, Wait } = require("testcontainers");
const readline = require("node:readline");

const known = {}; // containers and networks, by the names that the test gives them
const logs = {}; // what containers are followed to have said

const strategies = {
	port: () => Wait.forListeningPorts(),
	log: (text) => Wait.forLogMessage(text),
	health: () => Wait.forHealthCheck(),
	http: (path) => Wait.forHttp(path, 80),
};

const commands = {
	async network({ name }) {
		known[name] = await new Network().start();
	},
	async start({ name, cmd, wait, argument, network, check, ports = [] }) {
		let made = new GenericContainer("busybox").withCommand(cmd).withExposedPorts(...ports)
			.withStartupTimeout(60000).withLabels({ made: "by a test" });
		if (network)
			made = made.withNetwork(known[network]).withNetworkAliases(name);
		if (check)
			made = made.withHealthCheck({ test: ["CMD-SHELL", check], interval: 100, timeout: 5000, retries: 600 });
		known[name] = await made.withWaitStrategy(strategies[wait](argument)).start();
		return { id: known[name].getId(), ports: ports.map((p) => known[name].getMappedPort(p)) };
	},
	async get({ name, path }) {
		const to = known[name];
		return (await fetch(`http://${to.getHost()}:${to.getMappedPort(80)}${path}`)).text();
	},
	async exec({ name, cmd }) {
		const { stdout, stderr, exitCode } = await known[name].exec(cmd);
		return { stdout, stderr, exitCode };
	},
	async follow({ name }) {
		logs[name] = "";
		(await known[name].logs()).on("data", (text) => { logs[name] += text; });
	},
	async followed({ name }) {
		return logs[name];
	},
	async restart({ name }) {
		await known[name].restart({ timeout: 0 });
	},
	async stop({ name }) {
		await known[name].stop();
	},
};

readline.createInterface({ input: process.stdin }).on("line", async (line) => {
	const { number, command, ...rest } = JSON.parse(line);
	let answer;
	try {
		answer = { number, result: (await commands[command](rest)) ?? null };
	} catch (fault) {
		answer = { number, fault: String(fault.stack || fault) };
	}
	process.stdout.write(JSON.stringify(answer) + "\n");
}).on("close", () => process.exit(0));
