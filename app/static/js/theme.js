// Runs before anything is drawn: the chosen theme, else that of the system.
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => {
    const chosen = localStorage.getItem("review.theme");
    return chosen === "dark" || (chosen !== "light" && system.matches);
  };
  const apply = () => {
    for (const element of [document.documentElement, document.body]) {
      if (element && element.classList.contains("dark") !== isDark()) {
        element.classList.toggle("dark", isDark());
      }
    }
  };
  window.reviewTheme = {
    isDark,
    toggle() {
      localStorage.setItem("review.theme", isDark() ? "light" : "dark");
      apply();
    },
  };
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    // Gradio sets the class by the system's theme alone once it has loaded.
    new MutationObserver(apply).observe(document.body, { attributeFilter: ["class"] });
  });
  apply();
})();
