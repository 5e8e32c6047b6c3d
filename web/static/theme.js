// Before the first paint: the theme chosen earlier, if any. Without one the system decides.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is off: the system decides */ }
document.documentElement.classList.add("script");
