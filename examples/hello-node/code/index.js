module.exports = (req, res) => {
  res.type('text').send(`Hello, ${req.body || 'world'}, from Node.js!\n`);
};
