// Passkeys: asks the server for a challenge, the browser for the proof, and posts the form with it.
const able = window.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined;

async function proofFor(form) {
  const asked = new URLSearchParams(new FormData(form));
  asked.set("begin", "1"); // nothing is written for who only opens the page
  const answer = await fetch(form.action, { method: "POST", body: asked });
  const { publicKey } = await answer.json();
  const credential =
    form.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) })
      : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
  return JSON.stringify(credential.toJSON());
}

for (const form of able ? document.querySelectorAll("form[data-passkey]") : []) {
  const status = form.querySelector("[data-failed]");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    status.textContent = "";
    try {
      form.elements.credential.value = await proofFor(form);
      form.submit();
    } catch {
      status.textContent = status.dataset.failed; // cancelled, timed out, or no such passkey: the browser tells which
    }
  });
}
for (const note of able ? document.querySelectorAll("[data-no-passkey]") : []) note.hidden = true;
