// Writes `began` to the file that the body names, then waits; writes `left` there when its caller is gone.
const fs = require('fs');
module.exports = (req, res) => {
  fs.writeFileSync(req.body, 'began');
  req.on('close', () => fs.writeFileSync(req.body, 'left'));
};
