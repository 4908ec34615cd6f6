"use strict";

// Code outside of the handler runs once per instance: open what is expensive to open here.
const greeting = process.env.GREETING || "Hello";

/** Answers one call; may be async. req.body is text, req.headers has lower-case keys, res has the usual Express methods. */
module.exports = (req, res) => {
  const body = typeof req.body === "string" ? req.body.trim() : "";
  const name = body || "World";
  console.log(`greeting ${name}`); // goes to the log: stint logs -f {{name}}
  if ((req.headers.accept || "").includes("application/json")) {
    res.json({ greeting: `${greeting}, ${name}!` });
    return;
  }
  res.send(`${greeting}, ${name}!\n`);
};
