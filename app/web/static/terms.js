// @ts-check
// Imports a file of the past, as it is; the service reads it, all or nothing.
import { say } from "./page.js";

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-import]"));

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  const file = /** @type {File} */ (fields.get("file"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("button"));
  const wanted = new URLSearchParams({ format: String(fields.get("format")), wait_s: "60" });
  button.disabled = true;
  const answer = await fetch(`${form.dataset.import}?${wanted}`, {
    method: "POST", headers: { "content-type": "text/csv" }, body: file,
  }).catch(() => null);
  button.disabled = false;
  if (!answer) return say("The service does not answer. Look at the runs whether the file arrived.", "bad");
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) return say([said.detail ?? said.title, ...faults(said.errors)].join(" "), "bad");
  sessionStorage.setItem("done", `${file.name} is ${said.state === "done" ? "imported" : "being imported"}`);
  location.reload();
});

/** The first lines that are wrong. @param {{line?: number, detail: string}[] | undefined} errors */
function faults(errors) {
  return (errors ?? []).slice(0, 3).map((each) => `${each.line ? `Line ${each.line}: ` : ""}${each.detail}`);
}
