// Opens pages in headless Chromium: as they are, and under the header with which Jenkins serves artifacts (no script, no
// inline style). Checks that they request nothing, print no error, have no violation of accessibility (axe-core), do not
// overflow at 360, 1280 and 2560 pixels, in light and dark, and that values, zoom and sorting work.
//
//   node .ci/check_page.mjs PAGE...      (from the folder with node_modules: see .ci/check_page)
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { createRequire } from "node:module";

const require = createRequire(path.join(process.cwd(), "x.js"));
const puppeteer = require("puppeteer-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self'";

let failures = 0;
const check = (is, what) => {
  if (!is) { failures += 1; console.log(`FAILED: ${what}`); }
};

const pages = process.argv.slice(2);
const server = http.createServer((request, response) => {
  const [, kind, n] = request.url.split("/");
  if (!pages[n]) { response.writeHead(404); response.end(); return; }
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  if (kind === "jenkins") response.setHeader("Content-Security-Policy", JENKINS);
  response.end(fs.readFileSync(pages[n]));
});
await new Promise(done => server.listen(0, "127.0.0.1", done));
const base = `http://127.0.0.1:${server.address().port}`;

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM, headless: true, args: ["--no-sandbox", "--disable-gpu"],
});
for (const [n, file] of pages.entries()) {
  for (const kind of ["plain", "jenkins"]) {
    for (const [width, scheme] of [[360, "light"], [1280, "dark"], [1280, "light"], [2560, "light"]]) {
      const at = `${file}, ${kind}, ${width} px, ${scheme}`;
      const page = await browser.newPage();
      await page.setViewport({ width, height: 900 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const requests = [], said = [];
      page.on("request", request => requests.push(request.url()));
      page.on("console", message => said.push(message.text()));
      page.on("pageerror", error => said.push(error.message));
      await page.goto(`${base}/${kind}/${n}`);
      // Under Jenkins' header the browser says that it blocked the style and the script.
      const unexpected = said.filter(text => kind === "plain" || !/Content Security Policy|sandboxed/.test(text));
      check(unexpected.length === 0, `${at}: console: ${unexpected.join("; ")}`);
      check(requests.filter(url => !url.endsWith("/favicon.ico")).length === 1, `${at}: requests: ${requests.join(", ")}`);
      if (kind === "plain") {
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        check(wide <= 0, `${at}: ${wide} pixels too wide`);
        await page.evaluate(axe);
        const result = await page.evaluate(() => window.axe.run());
        for (const v of result.violations) check(false, `${at}: axe: ${v.id}: ${v.nodes[0].html.slice(0, 200)}`);
        check(result.passes.length > 20, `${at}: axe has checked little`);
        if (width === 1280) await use(page, at);
      } else {
        // What is left is complete: headings, charts with a size, tables.
        const seen = await page.evaluate(() => [...document.querySelectorAll("svg.chart")].every(chart => {
          const box = chart.getBoundingClientRect();
          return box.height === 0 || box.width > 200 && box.height > 60;
        }));
        check(seen, `${at}: a chart has no size`);
      }
      if (width === 1280 && scheme === "light") {
        const pdf = await page.pdf({ format: "A4" });
        check(pdf.length > 20000, `${at}: printed ${pdf.length} bytes`);
      }
      await page.close();
    }
  }
  console.log(`${file}: looked at`);
}
await browser.close();
server.close();
process.exit(failures ? 1 : 0);

// What the script adds.
async function use(page, at) {
  const chart = await page.$("svg.chart");
  if (!chart) return;
  await chart.scrollIntoView();
  const box = await chart.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 60);
  check(await page.$("line.cursor"), `${at}: no cross-hair`);
  check(await page.$eval(".now", e => e.textContent.length > 0), `${at}: no time under the pointer`);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * .8, box.y + 60);
  await page.mouse.up();
  const zoomed = await page.$eval("svg.plot", e => e.getAttribute("viewBox"));
  check(!zoomed.startsWith("0 0 "), `${at}: no zoom: ${zoomed}`);
  await page.keyboard.press("0");
  const whole = await page.$eval("svg.plot", e => e.getAttribute("viewBox"));
  check(whole.startsWith("0 0 "), `${at}: the whole time does not come back: ${whole}`);
  const sorted = await page.evaluate(() => {
    const button = [...document.querySelectorAll("th button")].at(-1);
    if (!button) return true;
    button.click();
    const th = button.closest("th"), rows = [...th.closest("table").tBodies[0].rows];
    const values = rows.map(row => row.cells[th.cellIndex].dataset.v).filter(v => v !== undefined).map(Number);
    return th.getAttribute("aria-sort") === "descending" && values.every((v, i) => i === 0 || values[i - 1] >= v);
  });
  check(sorted, `${at}: a table does not sort`);
}
