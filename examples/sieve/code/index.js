const DEFAULT_LIMIT = 10000;
const MAX_LIMIT = 10000000;

/** The primes up to and including limit: the sieve of Eratosthenes. */
function primesUpTo(limit) {
  const composite = new Uint8Array(limit + 1);
  const primes = [];
  for (let n = 2; n <= limit; n++) {
    if (composite[n]) continue;
    primes.push(n);
    for (let multiple = n * n; multiple <= limit; multiple += n) composite[multiple] = 1;
  }
  return primes;
}

module.exports = (req, res) => {
  const limit = Number(req.query.limit ?? (req.body || DEFAULT_LIMIT));
  if (!Number.isInteger(limit) || limit < 2 || limit > MAX_LIMIT) {
    res.status(400).type('text').send(`The limit is a whole number from 2 to ${MAX_LIMIT}.\n`);
    return;
  }
  const primes = primesUpTo(limit);
  res.json({ limit, count: primes.length, largest: primes[primes.length - 1] });
};
