() => {
  // What keeps people out of a page, as sentences; an empty list when nothing does. Rules of WCAG 2.2 AA that a machine can
  // check: names of controls, one h1 and headings in order, unique ids, contrast of text, size of targets.
  const faults = [];
  const seen = (element) => element.checkVisibility({ checkVisibilityCSS: true });
  for (const one of document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a[href]")) {
    const named = one.labels?.length || one.textContent.trim() || one.getAttribute("aria-label");
    if (!named) faults.push(`no name: ${one.outerHTML.slice(0, 120)}`);
    const box = one.getBoundingClientRect();
    const inline = one.matches("a") && getComputedStyle(one).display === "inline";
    const labelled = one.matches("[type=radio], [type=checkbox]");
    if (seen(one) && !inline && !labelled && box.height < 24) faults.push(`small target: ${one.outerHTML.slice(0, 120)}`);
  }
  const headings = [...document.querySelectorAll("h1, h2, h3, h4")];
  if (headings.filter((one) => one.matches("h1")).length !== 1) faults.push("not exactly one h1");
  headings.reduce((before, one) => {
    const level = Number(one.tagName[1]);
    if (level > before + 1) faults.push(`heading out of order: ${one.textContent.trim()}`);
    return level;
  }, 0);
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids)) if (ids.filter((other) => other === id).length > 1) faults.push(`id twice: ${id}`);

  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const [r, g, b, alpha = 1] = rgb(getComputedStyle(one).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const one = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !seen(one)) continue;
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(ground(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(1)}: ${walker.currentNode.data.trim().slice(0, 60)}`);
  }
  return faults;
}
