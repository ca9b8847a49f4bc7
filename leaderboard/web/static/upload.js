// Sends the chosen file as the body of one request.
"use strict";
const form = document.getElementById("upload");
if (form) {
  document.getElementById("without").hidden = true;
  form.hidden = false;
  const [button, bar, verdict] = ["button", "progress", ".verdict"].map((name) => form.querySelector(name));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const file = form.elements.file.files[0];
    const address = new URL(form.dataset.address, location);
    address.searchParams.set("name", file.name);
    if (form.elements.team) address.searchParams.set("team", form.elements.team.value);
    const request = new XMLHttpRequest();
    request.upload.onprogress = (sent) => { bar.value = sent.loaded / sent.total; };
    request.onerror = () => finish("The server cannot be reached; try again.", "bad");
    request.onload = () => {
      const answer = JSON.parse(request.responseText);
      if (answer.page && request.status < 300) location.assign(answer.page);
      else finish(answer.error || answer.message, "bad");
    };
    const finish = (text, kind) => {
      verdict.textContent = text; verdict.className = "verdict " + kind; button.disabled = false; bar.hidden = true;
    };
    button.disabled = true; bar.hidden = false; bar.value = 0; verdict.textContent = "Sent; it is being scored.";
    request.open("POST", address);
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.send(file);
  });
}
