// Times in the reader's own zone, codes that copy themselves, deletions, and a list that renews itself.
const localTimes = (root) => {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    if ("full" in time.dataset) time.textContent = at.toLocaleString();
    else time.textContent = today ? at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : at.toLocaleDateString();
  }
};

document.addEventListener("click", async ({ target }) => {
  if (!(target instanceof HTMLElement)) return;
  if (target.dataset.copy) {
    await navigator.clipboard.writeText(target.dataset.copy);
    target.classList.add("copied");
    setTimeout(() => target.classList.remove("copied"), 900);
  } else if (target.dataset.delete) {
    await fetch("/api/v1/messages", { method: "DELETE", body: JSON.stringify({ IDs: [target.dataset.delete] }) });
    location.assign("/");
  } else if ("deleteAll" in target.dataset && confirm("Delete all mail?")) {
    await fetch("/api/v1/messages", { method: "DELETE" });
    location.assign("/");
  }
});

const live = document.querySelector("[data-live]");
if (live) {
  let shown = live.innerHTML;
  setInterval(async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = fresh.querySelector("[data-live]");
      if (!next || next.innerHTML === shown) return;
      shown = next.innerHTML;
      live.innerHTML = shown;
      localTimes(live);
      document.querySelector("[data-delete-all]").hidden = fresh.querySelector("[data-delete-all]").hidden;
    } catch {
      // The catcher is being restarted; the next round will tell.
    }
  }, 2000);
}
localTimes(document);
