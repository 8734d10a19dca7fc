// Keys for all pages. Pages say with data-key and data-go what a key means; everything works without this script, and the
// keys can be switched off (WCAG 2.1.4) in the list that "?" opens.
const OFF = "optsync-keys-off";
const switchOn = document.getElementById("keys-on");
switchOn.checked = localStorage.getItem(OFF) === null;
switchOn.addEventListener("change", () => {
  if (switchOn.checked) localStorage.removeItem(OFF);
  else localStorage.setItem(OFF, "1");
});

let goes = false; // "g" was pressed: the next key names a page
addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select");
  if (!switchOn.checked || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = document.querySelector(`[data-${goes ? "go" : "key"}="${CSS.escape(event.key)}"]`);
  goes = !goes && event.key === "g";
  if (place) {
    event.preventDefault();
    if (place.matches("input")) place.focus();
    else place.click();
  } else if (event.key === "j" || event.key === "k") moveTo(event.key === "j" ? 1 : -1);
  else if (event.key === "x") rowOf(document.activeElement)?.querySelector("input[type=checkbox]")?.click();
});

function rowOf(element) {
  return element.closest("tbody tr");
}

function moveTo(step) {
  const rows = [...document.querySelectorAll("tbody tr")].filter((row) => row.querySelector("a"));
  const next = rows.indexOf(rowOf(document.activeElement)) + step;
  rows[Math.max(0, Math.min(next, rows.length - 1))]?.querySelector("a").focus();
}
