// A streamed answer: each piece only when the file that the body names has as many lines as pieces have been sent. Its caller proves thereby that it gets them one by one.
const fs = require('fs');
const lines = (file) => fs.readFileSync(file, 'utf8').split('\n').length - 1;
const until = (condition) => new Promise((resolve) => {
  const timer = setInterval(() => { if (condition()) { clearInterval(timer); resolve(); } }, 2);
});
module.exports = async (req, res) => {
  res.status(206).set('Kind', 'pieces');
  for (let i = 0; i < 3; i++) {
    await until(() => lines(req.body) >= i);
    res.write(`piece ${i}\n`);
  }
  res.end();
};
