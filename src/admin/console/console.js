// Brings the page up to date every few seconds without losing where a reader is. Without it, the page is as of its loading.
(() => {
  const EVERY = 5000;
  const busy = () => document.hidden || document.activeElement?.closest("form,details") || window.getSelection()?.toString();
  const refresh = async () => {
    if (busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.getElementById(part.id);
        if (next && next.innerHTML !== part.innerHTML) part.innerHTML = next.innerHTML;
      }
      document.getElementById("stale").hidden = true;
    } catch {
      document.getElementById("stale").hidden = false;
    }
  };
  setInterval(refresh, EVERY);
})();
