// SPDX-License-Identifier: MIT

// The messages of the bench, as message.lua has them.

const LINE = 'GET /index/of/something.html HTTP/1.1" 200 512 "-" "curl/8.0"\n';

module.exports = (bytes, isText) => {
  const m = { id: 1234567, cmd: "request", path: "/index/of/something.html", ok: true,
    tags: ["alpha", "beta"] };
  if (bytes > 100) {
    m.ratio = 0.25;
    m.user = { name: "Zoë", age: 42 };
  }
  if (isText) {
    m.text = LINE.repeat(Math.floor((bytes - 160) / (LINE.length + 6)));
  } else if (bytes > 100) {
    m.items = [];
    for (let i = 1; i <= Math.floor((bytes - 160) / 86); i++)
      m.items.push({ id: i, name: "item number " + i, price: i * 1.25,
        tags: ["x", "y", i], text: 'a "q"\n' });
  }
  return m;
};
