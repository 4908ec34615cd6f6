// An Alexa skill's intent with a slot: "set the light to green". What sets a real light would go where the colour is looked up.
const colours = { red: "#ff0000", green: "#00ff00", blue: "#0000ff", white: "#ffffff", yellow: "#ffff00", orange: "#ff8000" };

const request = JSON.parse(require("node:fs").readFileSync(0, "utf8")).request;
const colour = request.intent?.slots?.Colour?.value?.toLowerCase();
const known = Object.hasOwn(colours, colour ?? "");

console.log(JSON.stringify({
  version: "1.0",
  response: {
    outputSpeech: { type: "PlainText", text: known ? `The light is ${colour} now.` : `I know ${Object.keys(colours).join(", ")}. Which of them?` },
    ...(known && { card: { type: "Simple", title: "Colour", content: `${colour} ${colours[colour]}` } }),
    shouldEndSession: known,
  },
}));
