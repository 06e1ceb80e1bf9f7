// What Bella's simulator is asked to do; run by node in its own environment. A line of JSON comes in, a line goes out.
"use strict";

const path = require("path");
const readline = require("readline");

const modules = path.join(process.argv[2], "node_modules");
const dist = path.join(modules, "@bella-defintech", "uniswap-v3-simulator", "dist");
const JSBI = require(path.join(modules, "jsbi"));
const { CorePool } = require(path.join(dist, "core", "CorePool"));
const { SwapMath } = require(path.join(dist, "util", "SwapMath"));

let inputs = [];
let day = null;

const seconds = (since) => {
  const used = process.cpuUsage(since);
  return (used.user + used.system) / 1e6;
};

// The day in a pool that begins with these positions of ours as well.
function replayed(held) {
  const pool = new CorePool("USDC", "WETH", day.fee, day.spacing);
  pool.initialize(JSBI.BigInt(day.sqrt_price_x96));
  for (const [lower, upper, liquidity] of day.positions) pool.mint("all", lower, upper, JSBI.BigInt(liquidity));
  for (const [lower, upper, liquidity] of held) pool.mint("ours", lower, upper, liquidity);
  const zero = JSBI.BigInt(0);
  const prices = [];
  let refused = 0;
  const since = process.cpuUsage();
  for (const one of day.parsed) {
    try {
      if (one.kind === "swap") {
        pool.swap(one.zero_for_one, one.amount, one.limit);
      } else if (JSBI.greaterThan(one.delta, zero)) {
        pool.mint("all", one.lower, one.upper, one.delta);
      } else {
        pool.burn("all", one.lower, one.upper, JSBI.unaryMinus(one.delta));
      }
    } catch (error) {
      refused += 1;
    }
    if (one.kind === "swap") prices.push(pool.sqrtPriceX96);
  }
  const took = seconds(since);
  const matched = prices.filter((price, at) => price.toString() === day.prices[at]).length;
  return { pool, seconds: took, matched, refused };
}

const tasks = {
  hello() {
    return true;
  },
  steps(asked) {
    inputs = asked.inputs.map((one) => one.map((value) => JSBI.BigInt(value)));
    return inputs.length;
  },
  run(asked) {
    const salt = JSBI.BigInt(asked.salt);
    const salted = inputs.map(([now, target, liquidity, amount, fee]) => [
      now, target, liquidity, JSBI.add(amount, salt), JSBI.toNumber(fee),
    ]);
    const since = process.cpuUsage();
    const found = salted.map((one) => SwapMath.computeSwapStep(...one));
    const took = seconds(since);
    const sum = found.flat().reduce((all, one) => JSBI.add(all, one), JSBI.BigInt(0));
    return { seconds: took, sum: sum.toString() };
  },
  day(asked) {
    day = asked;
    day.parsed = asked.requests.map((one) =>
      one.kind === "swap"
        ? { ...one, amount: JSBI.BigInt(one.amount), limit: JSBI.BigInt(one.limit) }
        : { ...one, delta: JSBI.BigInt(one.delta) });
    return day.parsed.length;
  },
  replay() {
    const { pool, ...found } = replayed([]);
    return found;
  },
  static(asked) {
    const held = asked.positions.map(([lower, upper, liquidity]) => [lower, upper, JSBI.BigInt(liquidity)]);
    const { pool, ...found } = replayed(held);
    found.owed = held.map(([lower, upper]) => {
      pool.burn("ours", lower, upper, JSBI.BigInt(0));
      const position = pool.getPosition("ours", lower, upper);
      return [position.tokensOwed0.toString(), position.tokensOwed1.toString()];
    });
    return found;
  },
};

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  process.stdout.write(JSON.stringify(tasks[asked.task](asked)) + "\n");
});
