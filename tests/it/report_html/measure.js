// Lays every document out in every variant and says what a reader would find wrong.
// DOCUMENTS: [{name, html, controls: [{id, title, verdict}], anchors: [], rows: {anchor: text}, hostile, only: names of variants}]
const DARK = '@media screen and (prefers-color-scheme: dark)';
const VARIANTS = [
  { name: 'a telephone', width: 360, rules: html => html.replaceAll(DARK, '@media speech') },
  { name: 'a tablet, dark', width: 800, rules: html => html.replaceAll(DARK, '@media screen') },
  { name: 'a desk, dark', width: 1280, rules: html => html.replaceAll(DARK, '@media screen') },
  { name: 'a desk', width: 1280, rules: html => html.replaceAll(DARK, '@media speech') },
  {
    // The text of an A4 page between the margins.
    name: 'paper', width: 672, paper: true,
    rules: html => html.replaceAll('@media screen', '@media speech')
      .replaceAll('@media print', '@media all'),
  },
];

function measure(source, variant) {
  const frame = document.createElement('iframe');
  frame.style.cssText = `border: 0; width: ${variant.width}px; height: 900px`;
  document.body.append(frame);
  frame.contentDocument.write(variant.rules(source.html));
  frame.contentDocument.close();
  const wrong = new Set();
  const check = {
    doc: frame.contentDocument,
    win: frame.contentWindow,
    variant,
    say: (...words) => wrong.size < 40 && wrong.add(words.join(' ')),
  };
  width(check);
  texts(check);
  drawings(check);
  structure(check);
  links(check);
  contents(check, source);
  const requests = check.win.performance.getEntriesByType('resource');
  for (const request of requests) check.say('asks for', request.name);
  if (check.doc.scripts.length) check.say('has a script');
  frame.remove();
  return [...wrong];
}

const named = element => {
  const id = element.id ? `#${element.id}` : '';
  const text = element.textContent.trim().slice(0, 40);
  return `<${element.localName}${id} class="${element.getAttribute('class') ?? ''}"> "${text}"`;
};

const seen = element => element.checkVisibility({ visibilityProperty: true });

/// Nothing is wider than its place, but what may be scrolled on a screen.
function width({ doc, variant, say }) {
  const root = doc.documentElement;
  if (root.clientWidth !== variant.width) say('the page is', root.clientWidth, 'wide');
  if (root.scrollWidth > root.clientWidth) say('the page is scrolled:', root.scrollWidth);
  const scrolled = variant.paper ? '.unseen' : '.unseen, .scroll, .contents > ul';
  for (const element of doc.body.querySelectorAll('*')) {
    if (element.closest('svg') || element.matches(scrolled) || !seen(element)) continue;
    if (element.clientWidth && element.scrollWidth > element.clientWidth + 1) {
      say('cut:', named(element), element.scrollWidth, '>', element.clientWidth);
    }
    const box = element.getBoundingClientRect();
    if (!element.closest(scrolled) && !element.closest('.skip') && box.right > variant.width + 1) {
      say('beyond the edge:', named(element), box.right);
    }
  }
}

/// Every visible text has contrast.
function texts({ doc, win, say }) {
  const walk = doc.createTreeWalker(doc.body, NodeFilter.SHOW_TEXT);
  const shades = new Map();
  let count = 0;
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !seen(element)) continue;
    count += 1;
    const style = win.getComputedStyle(element);
    const ink = element.closest('svg') ? style.fill : style.color;
    const ground = background(element, win);
    const key = ink + ground;
    if (!shades.has(key)) shades.set(key, contrast(colour(ink), ground));
    if (shades.get(key) < 4.5) say('contrast', shades.get(key).toFixed(2), named(element));
    if (Number(style.opacity) < 1) say('pale:', named(element));
  }
  if (count < 40) say('shows only', count, 'texts');
}

function background(element, win) {
  for (let at = element; at; at = at.parentElement) {
    const ground = colour(win.getComputedStyle(at).backgroundColor);
    if (ground[3] === 1) return ground;
    if (ground[3] !== 0) return [NaN];
  }
  return [NaN];
}

function colour(text) {
  const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
  return [red, green, blue, alpha];
}

function contrast(ink, ground) {
  const light = ([red, green, blue]) => {
    const linear = [red, green, blue].map(part => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const [low, high] = [light(ink), light(ground)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05) || 0;
}

/// Texts in charts stay inside of them and do not meet.
function drawings({ doc, say }) {
  for (const svg of doc.querySelectorAll('.plot svg')) {
    const frame = svg.getBoundingClientRect();
    const boxes = [...svg.querySelectorAll('text')].filter(seen)
      .map(text => [text.textContent, text.getBoundingClientRect()]);
    for (const [at, [text, box]] of boxes.entries()) {
      if (box.left < frame.left - 1 || box.right > frame.right + 1) say('beyond its chart:', text);
      for (const [other, next] of boxes.slice(at + 1)) {
        const apart = box.right < next.left || next.right < box.left
          || box.bottom < next.top || next.bottom < box.top;
        if (!apart) say('in a chart,', text, 'lies upon', other);
      }
    }
  }
  for (const image of doc.querySelectorAll('[role=img], svg')) {
    const words = image.getAttribute('aria-label');
    if (!words && !image.closest('[aria-hidden], [role=img]')) say('without words:', named(image));
  }
}

/// Headings in order, tables with captions and scopes, landmarks.
function structure({ doc, say }) {
  let before = 0;
  for (const heading of doc.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const level = Number(heading.localName[1]);
    if (level > before + 1) say('heading', level, 'after', before, named(heading));
    if (!heading.textContent.trim()) say('an empty heading');
    before = level;
  }
  if (doc.querySelectorAll('h1').length !== 1) say('not one h1');
  for (const table of doc.querySelectorAll('table')) {
    if (!table.caption?.textContent.trim()) say('no caption:', named(table));
    for (const head of table.querySelectorAll('th')) {
      if (!['col', 'row'].includes(head.scope)) say('no scope:', named(head));
    }
    const columns = table.tHead.rows[0].cells.length;
    for (const row of [...table.tBodies].flatMap(body => [...body.rows])) {
      const cells = [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0);
      if (cells !== columns) say('cells are missing:', named(row));
    }
  }
  for (const mark of ['html[lang=en]', 'header h1', 'main#main', 'nav[aria-label]', 'footer',
    'a.skip[href="#main"]', 'title']) {
    if (doc.querySelectorAll(mark).length !== 1) say('not one', mark);
  }
  for (const part of doc.querySelectorAll('.scroll')) {
    if (part.tabIndex !== 0 || !part.getAttribute('aria-label')) say('no keyboard:', named(part));
  }
}

/// Every link within the document ends somewhere; others lead to a file beside it.
function links({ doc, say }) {
  const ids = new Set();
  for (const { id } of doc.querySelectorAll('[id]')) {
    if (ids.has(id)) say('twice:', id);
    ids.add(id);
  }
  for (const link of doc.querySelectorAll('[href], [src], [fill]')) {
    const target = link.getAttribute('href') ?? link.getAttribute('src')
      ?? link.getAttribute('fill').replace(/^url\((.*)\)$/, '$1');
    const inside = target.startsWith('#');
    if (inside && !ids.has(decodeURIComponent(target.slice(1)))) say('leads nowhere:', target);
    if (!inside && !/^\.\/[\w.\/%-]+\.csv$/.test(target)) say('leads outside:', target);
  }
  for (const part of doc.querySelectorAll('[aria-labelledby]')) {
    if (!ids.has(part.getAttribute('aria-labelledby'))) say('without its name:', named(part));
  }
}

/// What the report says is there to be seen.
function contents({ doc, variant, say }, { controls, anchors, rows, hostile }) {
  const text = element => element.textContent.replace(/\s+/g, ' ').trim();
  const headings = [...doc.querySelectorAll('article.control')].map(control => [
    control.querySelector('h3'), control.querySelector('.badge'),
  ]);
  if (headings.length !== controls.length) say(headings.length, 'of', controls.length, 'controls');
  for (const [at, { id, title, verdict }] of controls.entries()) {
    const [heading, badge] = headings[at] ?? [];
    if (!heading || !seen(heading)) { say('not to be seen:', id); continue; }
    if (!hostile && text(heading) !== `${id} ${title}`) say('a heading is', text(heading));
    if (text(badge) !== verdict || !seen(badge)) say('the verdict of', id, 'is', text(badge));
    const summary = doc.querySelector(`.verdicts a[href="#${heading.id}"]`);
    if (!summary || !seen(summary)) say('not in the summary:', id);
    const judged = controls.some(control => !['No verdict', 'Finding'].includes(control.verdict));
    if (judged && summary && !text(summary.closest('tr')).includes(verdict)) say('summary of', id);
  }
  for (const anchor of anchors) {
    for (const id of [anchor, `q-${anchor}`]) {
      const element = doc.getElementById(id);
      if (!element || !seen(element)) say('no anchor', id);
    }
  }
  for (const [anchor, count] of Object.entries(rows)) {
    const link = doc.querySelector(`#${CSS.escape(anchor)} a.rows-of[href="#q-${anchor}"]`);
    if (!link || text(link) !== count) say('rows of', anchor, 'are', link && text(link));
  }
  for (const element of doc.querySelectorAll('main *')) {
    const folded = variant.paper ? 'details, details *' : 'details *';
    if (element.closest('svg') || element.matches(folded)) continue;
    if (!seen(element) && !element.matches('.mid, wbr')) {
      say('hidden:', named(element));
    }
  }
}

const found = {};
for (const source of DOCUMENTS) {
  for (const variant of VARIANTS) {
    if (source.only && !source.only.includes(variant.name)) continue;
    found[`${source.name} on ${variant.name}`] = measure(source, variant);
  }
}
const result = document.createElement('pre');
result.textContent = `RESULT ${encodeURIComponent(JSON.stringify(found))} END`;
document.body.append(result);
