// Puts the text of a field into the clipboard. Without this script the text can be selected and copied by hand.
for (const place of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue; // plain http on another machine than this one
  place.hidden = false;
  place.querySelector("button").addEventListener("click", async () => {
    const field = document.getElementById(place.dataset.copy);
    const status = place.querySelector("[data-done]");
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = status.dataset.done;
    } catch {
      field.focus();
      field.select(); // the browser did not allow it: ready to be copied by hand
    }
  });
}
